//! The session of an asynchronous client: exchanges are handed to a thread, waits are futures.
//!
//! What a future holds across an await, and what a job brings to a future that has gone, gives itself back when it is
//! dropped: [`Found`], [`Waiting`], [`Unsealed`], [`Queued`]. Dropping these never waits; it leaves a job.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use async_io::{Async, Timer};
use futures_channel::oneshot;
use ray_common::ObjectId;

use super::connect::{can_be_read, Attempts};
use super::create::Creation;
use super::get::{Found, Sought, Waiting};
use super::Session;
use crate::plasma::client::buffer::Unsealed;
use crate::plasma::client::error::Cause;
use crate::plasma::client::options::{ConnectOptions, CreateOptions, Metadata, Wanted};
use crate::plasma::client::worker::Worker;
use crate::plasma::protocol::Encoder;

/// Shuts a connection down when dropped, so that the thread that waits for a silent store on it gives up.
struct Unfinished(Option<Arc<UnixStream>>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(stream) = &self.0 {
            // Fails when it is shut down already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// A creation for which the store has no room yet. When it is dropped, the object is given up as soon as it is there.
struct Queued {
    session: Arc<Session>,
    wanted: Wanted,
    request_id: Option<u64>,
}

enum Step {
    Created(Unsealed),
    Queued(Queued),
}

impl Queued {
    fn ask_again(mut self) -> Result<Step, Cause> {
        let Some(request_id) = self.request_id.take() else {
            return Err(Cause::Refused);
        };
        let creation = self.session.ask_for_created(&self.wanted, 1, request_id)?;
        Ok(Step::of(&self.session, self.wanted, creation))
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let Some(request_id) = self.request_id else { return };
        let Some(worker) = self.session.worker.as_ref() else { return };
        if self.session.check_connected().is_err() {
            return;
        }
        // Without the session there is no connection, and the store forgets the creation by itself.
        let (session, wanted) = (Arc::downgrade(&self.session), self.wanted);
        let mut request_id = request_id;
        worker.repeat(move || {
            let Some(session) = session.upgrade() else { return true };
            match session.ask_for_created(&wanted, 1, request_id) {
                Ok(Creation::Queued(next)) => {
                    request_id = next;
                    false
                }
                Ok(Creation::Done(_)) => {
                    session.give_up(wanted.id);
                    true
                }
                Err(_) => true,
            }
        });
    }
}

impl Step {
    fn of(session: &Arc<Session>, wanted: Wanted, creation: Creation) -> Self {
        let session = Arc::clone(session);
        match creation {
            Creation::Done(object) => Self::Created(Unsealed::new(session, wanted.id, object)),
            Creation::Queued(request_id) => {
                Self::Queued(Queued { session, wanted, request_id: Some(request_id) })
            }
        }
    }
}

fn thread_has_ended<E>(_: E) -> Cause {
    Cause::Disconnected { why: "the client's thread has ended".to_owned() }
}

impl Session {
    /// Connects, with a thread of its own for whatever is sent.
    pub(in crate::plasma::client) async fn connect_async(
        path: PathBuf,
        options: ConnectOptions,
    ) -> Result<Arc<Self>, Cause> {
        let mut attempts = Attempts::new(&path, &options);
        let stream = loop {
            if let Some(stream) = attempts.next()? {
                break Arc::new(stream);
            }
            Timer::after(options.retry_interval).await;
        };
        let mut unfinished = Unfinished(Some(Arc::clone(&stream)));
        let worker = Worker::start(options.store_full_delay).map_err(Cause::Io)?;
        let (reply, answer) = oneshot::channel();
        let own = worker.clone();
        worker.post(move || {
            // Nobody takes it when the future has gone.
            let _ = reply.send(Self::over(stream, path, options, Some(own)).map(Arc::new));
        });
        let session = answer.await.map_err(thread_has_ended)?;
        unfinished.0 = None;
        session
    }

    /// Does an exchange on the client's thread. It is finished even when nobody waits for it any more.
    pub(in crate::plasma::client) async fn submit<R: Send + 'static>(
        self: &Arc<Self>,
        exchange: impl FnOnce(&Arc<Self>) -> Result<R, Cause> + Send + 'static,
    ) -> Result<R, Cause> {
        self.check_connected()?;
        let Some(worker) = &self.worker else { return exchange(self) };
        let (reply, answer) = oneshot::channel();
        let session = Arc::clone(self);
        worker.post(move || {
            // Nobody takes it when the future has gone; then it is dropped here.
            let _ = reply.send(exchange(&session));
        });
        self.end_on_error(answer.await.map_err(thread_has_ended))?
    }

    pub(in crate::plasma::client) async fn create_async(
        self: &Arc<Self>,
        options: &CreateOptions<'_>,
    ) -> Result<Unsealed, Cause> {
        self.check_may_create()?;
        let wanted = options.wanted();
        let mut request = Vec::new();
        Encoder::default().create_request(&mut request, &options.request());
        let begin = move |session: &Arc<Self>| {
            let write = |_: &mut Encoder, out: &mut Vec<u8>| out.extend_from_slice(&request);
            let creation = session.begin_to_create(&wanted, 1, write)?;
            Ok(Step::of(session, wanted, creation))
        };
        let mut step = self.submit(begin).await?;
        let unsealed = loop {
            let queued = match step {
                Step::Created(unsealed) => break unsealed,
                Step::Queued(queued) => queued,
            };
            Timer::after(self.options.store_full_delay).await;
            step = self.submit(move |_| queued.ask_again()).await?;
        };
        if let Metadata::Bytes(bytes) = options.metadata {
            unsealed.write_metadata(bytes)?;
        }
        Ok(unsealed)
    }

    pub(in crate::plasma::client) async fn get_async(
        self: &Arc<Self>,
        ids: &[ObjectId],
        timeout_ms: i64,
    ) -> Result<Found, Cause> {
        let (found, all) = self.find_in_use(ids)?;
        if all {
            return Ok(found);
        }
        match self.submit(move |_| found.seek(timeout_ms)).await? {
            Sought::Over(found) => Ok(found),
            Sought::Waiting(waiting) => {
                waiting.answered().await?;
                self.submit(move |_| waiting.finish()).await
            }
        }
    }
}

impl Waiting {
    /// Completes when the answer has begun to come.
    async fn answered(&self) -> Result<(), Cause> {
        let Some(stream) = self.stream() else { return Ok(()) };
        // It is only watched; whoever reads from it waits for the rest of what has begun to come.
        let stream = Async::new_nonblocking(stream).map_err(Cause::Exhausted)?;
        while !can_be_read(stream.get_ref()) {
            stream.readable().await.map_err(Cause::Exhausted)?;
        }
        Ok(())
    }
}
