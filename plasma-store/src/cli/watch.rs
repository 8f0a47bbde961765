//! `plasma watch`.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::thread;
use std::time::{Instant, SystemTime};

use console::Term;
use serde_json::json;

use super::args::Watch;
use super::clients;
use super::stat::{percent, size, tally};
use super::{Error, Style};
use crate::admin::{Admin, Client, Stat};
use crate::values::human_size;

/// Shows the store again and again: in place on a terminal, else a line for each look.
pub(super) fn run(
    args: &Watch,
    socket: &Path,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut admin = Admin::connect(socket)?;
    let mut screen = (io::stdout().is_terminal() && !style.json).then(Screen::default);
    let mut last = None;
    let mut next = Instant::now();
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        left -= 1;
        let look = Look::take(&mut admin)?;
        let rates = rates(last.as_ref(), &look);
        if style.json {
            writeln!(out, "{}", look.json())?;
        } else if let Some(screen) = &mut screen {
            screen.show(&picture(socket, &look, &rates, screen.width()))?;
        } else {
            writeln!(out, "{}", line(&look, &rates))?;
        }
        out.flush()?;
        last = Some(look);
        if left > 0 {
            next += args.interval;
            thread::sleep(next.saturating_duration_since(Instant::now()));
            // Who was stopped for a while does not catch up.
            next = next.max(Instant::now());
        }
    }
    Ok(())
}

/// A store at one moment.
#[derive(Debug, Clone)]
struct Look {
    at: Instant,
    time: String,
    stat: Stat,
    clients: Vec<Client>,
}

impl Look {
    fn take(admin: &mut Admin) -> Result<Self, Error> {
        let (stat, clients) = (admin.stat()?, admin.clients()?);
        let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Ok(Self { at: Instant::now(), time, stat, clients })
    }

    fn json(&self) -> serde_json::Value {
        json!({ "time": self.time, "stat": self.stat, "clients": self.clients })
    }

    fn used(&self) -> i64 {
        self.stat.allocated - self.stat.fallback_allocated
    }
}

/// How often a second what was asked since the last look.
fn rates(last: Option<&Look>, now: &Look) -> Vec<(String, u64)> {
    let Some(last) = last else {
        return Vec::new();
    };
    let milliseconds = now.at.duration_since(last.at).as_millis().max(1);
    let rate = |(name, count): (&String, &u64)| {
        let before = last.stat.requests.get(name).copied().unwrap_or(0);
        let asked = u128::from(count.saturating_sub(before));
        let rate = u64::try_from(asked * 1000 / milliseconds).unwrap_or(u64::MAX);
        (name.clone(), rate)
    };
    now.stat.requests.iter().map(rate).collect()
}

/// A look in one line.
fn line(look: &Look, rates: &[(String, u64)]) -> String {
    let stat = &look.stat;
    let states = &stat.states;
    let total: u64 = rates.iter().map(|(_, rate)| rate).sum();
    format!(
        "{} used={} capacity={} sealed={} in_use={} evictable={} unsealed={} fallback={} objects={} clients={} \
         waiting_creates={} waiting_gets={} requests_per_second={total}",
        look.time,
        look.used(),
        stat.capacity,
        states.sealed_bytes,
        states.in_use.bytes,
        states.evictable.bytes,
        states.unsealed.bytes,
        stat.fallback_allocated,
        stat.objects,
        stat.clients,
        stat.pending_creates,
        stat.pending_gets,
    )
}

/// A look as a picture.
fn picture(socket: &Path, look: &Look, rates: &[(String, u64)], width: usize) -> Vec<String> {
    let stat = &look.stat;
    let states = &stat.states;
    let rates: Vec<String> = rates.iter().map(|(name, rate)| format!("{name} {rate}")).collect();
    let mut lines = vec![
        format!("{}  {}", socket.display(), look.time),
        bar(stat, width.saturating_sub(4).min(100)),
        format!(
            "used {} of {} ({} %)   sealed {}   fallback {}",
            size(look.used()),
            size(stat.capacity),
            percent(look.used(), stat.capacity),
            size(states.sealed_bytes),
            size(stat.fallback_allocated)
        ),
        format!(
            "█ in use {}   ▓ unsealed {}   ░ evictable {}",
            tally(states.in_use),
            tally(states.unsealed),
            tally(states.evictable)
        ),
        format!(
            "waiting: {} creations for {}, {} gets",
            stat.pending_creates,
            human_size(stat.pending_create_bytes),
            stat.pending_gets
        ),
        format!("a second: {}", if rates.is_empty() { "…".to_owned() } else { rates.join("  ") }),
        String::new(),
    ];
    lines.extend(clients::table(&look.clients).lines());
    lines
}

/// What the memory is used for. What lies on the disk makes it longer.
fn bar(stat: &Stat, width: usize) -> String {
    let states = &stat.states;
    let parts = [
        ('█', states.in_use.bytes - states.unsealed.bytes),
        ('▓', states.unsealed.bytes),
        ('░', states.evictable.bytes),
    ];
    let whole = stat.capacity.saturating_add(stat.fallback_allocated).max(1);
    let mut bar = String::new();
    let (mut sum, mut drawn) = (0_i64, 0);
    for (sign, bytes) in parts {
        sum = sum.saturating_add(bytes.max(0));
        let end = usize::try_from(i128::from(sum) * width as i128 / i128::from(whole));
        let end = end.unwrap_or(0).min(width);
        bar.extend(std::iter::repeat_n(sign, end.saturating_sub(drawn)));
        drawn = drawn.max(end);
    }
    bar.extend(std::iter::repeat_n('·', width - drawn));
    format!("[{bar}]")
}

/// A terminal on which the last picture is replaced by the next.
struct Screen {
    terminal: Term,
    shown: usize,
}

impl Default for Screen {
    fn default() -> Self {
        Self { terminal: Term::buffered_stdout(), shown: 0 }
    }
}

impl Screen {
    fn width(&self) -> usize {
        usize::from(self.terminal.size().1)
    }

    /// Shows as many lines as there is room for; the last line of a terminal is the cursor's.
    fn show(&mut self, lines: &[String]) -> io::Result<()> {
        let (height, width) = self.terminal.size();
        let room = usize::from(height).saturating_sub(1).max(1);
        self.terminal.move_cursor_up(self.shown.min(room))?;
        self.terminal.clear_to_end_of_screen()?;
        let more = lines.len().saturating_sub(room);
        for (number, line) in lines.iter().take(room).enumerate() {
            if more > 0 && number + 1 == room {
                self.terminal.write_line(&format!("and {} more", more + 1))?;
            } else {
                let short = console::truncate_str(line, usize::from(width), "…");
                self.terminal.write_line(&short)?;
            }
        }
        self.shown = lines.len().min(room);
        self.terminal.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::admin::Tally;

    fn look() -> Look {
        let mut stat = Stat { capacity: 80, allocated: 70, ..Stat::default() };
        stat.fallback_allocated = 20;
        stat.states.in_use = Tally { objects: 3, bytes: 50 };
        stat.states.unsealed = Tally { objects: 1, bytes: 10 };
        stat.states.evictable = Tally { objects: 1, bytes: 20 };
        stat.states.sealed_bytes = 60;
        stat.requests.insert("get".into(), 100);
        Look { at: Instant::now(), time: "now".into(), stat, clients: vec![Client::default()] }
    }

    #[test]
    fn a_bar_has_every_part_in_proportion() {
        assert_eq!(bar(&look().stat, 10), "[████▓░░···]");
        assert_eq!(bar(&Stat::default(), 3), "[···]");
        let mut full = look().stat;
        full.states.evictable.bytes = i64::MAX;
        assert_eq!(bar(&full, 10), "[████▓░░░░░]");
    }

    #[test]
    fn requests_are_counted_by_the_second() {
        let before = look();
        let mut now = before.clone();
        now.at = before.at + Duration::from_millis(500);
        now.stat.requests.insert("get".into(), 150);
        now.stat.requests.insert("seal".into(), 2);
        let rates = rates(Some(&before), &now);
        assert_eq!(rates, [("get".to_owned(), 100), ("seal".to_owned(), 4)]);
        assert_eq!(
            line(&now, &rates),
            "now used=50 capacity=80 sealed=60 in_use=50 evictable=20 unsealed=10 fallback=20 objects=0 clients=0 \
             waiting_creates=0 waiting_gets=0 requests_per_second=104"
        );
        let picture = picture(Path::new("/s"), &now, &rates, 14);
        assert!(picture.contains(&"a second: get 100  seal 4".to_owned()), "{picture:?}");
        assert!(picture.iter().any(|line| line.starts_with("CLIENT")));
    }
}
