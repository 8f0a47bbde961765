//! The asynchronous client on our store, with more than one executor.

mod cancellation;
mod objects;
mod silent;
mod waiting;

use std::future::{poll_fn, Future};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ray_object_manager::plasma::client::{AsyncPlasmaClient, ConnectOptions};

use crate::client_support::Store;

/// Runs a test on one thread without a runtime, and on tokio.
fn on_each_executor<F: Future<Output = ()>>(test: impl Fn() -> F) {
    futures_lite::future::block_on(test());
    runtime().block_on(test());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

async fn client(store: &impl Store) -> AsyncPlasmaClient {
    AsyncPlasmaClient::connect(store.socket(), ConnectOptions::default()).await.unwrap()
}

async fn pause(milliseconds: u64) {
    async_io::Timer::after(Duration::from_millis(milliseconds)).await;
}

/// Polls a future so many times, always when it asks for it, and drops it. What it brought, if it was over by then.
async fn poll_times<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(|context| {
        if polls == times {
            return Poll::Ready(None);
        }
        polls += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polls == times => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Runs futures at once, on this task.
async fn all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        let mut pending = false;
        for (future, output) in futures.iter_mut().filter(|(_, output)| output.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(value) => *output = Some(value),
                Poll::Pending => pending = true,
            }
        }
        if pending {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    futures.into_iter().filter_map(|(_, output)| output).collect()
}
