//! A program that answers each line of its input with one of its output.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(crate) struct Respondent {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Respondent {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let input = child.stdin.take().expect("it is a pipe");
        let output = BufReader::new(child.stdout.take().expect("it is a pipe"));
        Self { child, input, output }
    }

    pub(crate) fn ask(&mut self, question: &str) -> String {
        writeln!(self.input, "{question}").expect("the program reads");
        let mut answer = String::new();
        let read = self.output.read_line(&mut answer).expect("an answer in ASCII");
        assert!(read > 0, "no answer to {question}");
        answer.trim_end().to_owned()
    }
}

impl Drop for Respondent {
    fn drop(&mut self) {
        // It reads to the end of its input, unless it failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
