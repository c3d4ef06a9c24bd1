//! Connecting.

use std::{future::Future, io, time::Duration};

use tokio::{net::TcpStream, time::timeout};

use super::{Answer, Wire};
use crate::{bounds::Budget, permit::Target};

/// Connects to a target and talks, all within what the budget has left for one connection. A conversation that finds no
/// end is cut off, and was none.
pub(crate) async fn dial<F: Future<Output = Answer>>(
    target: Target,
    budget: &Budget,
    talk: impl FnOnce(Wire) -> F,
) -> Answer {
    match connect(target, budget).await {
        Ok((wire, time)) => timeout(time, talk(wire)).await.unwrap_or(Answer::Unanswered(time)),
        Err(answer) => answer,
    }
}

/// Connects alone; tells how long the connection may last.
pub(crate) async fn connect(target: Target, budget: &Budget) -> Result<(Wire, Duration), Answer> {
    let time = budget.take().map_err(|why| Answer::NotTried(why.to_owned()))?;
    match timeout(time, TcpStream::connect(target.address())).await {
        Err(_) => Err(Answer::Filtered),
        Ok(Err(error)) => Err(refusal(&error)),
        Ok(Ok(stream)) => Wire::new(stream).map(|wire| (wire, time)).map_err(|_| Answer::Denied),
    }
}

fn refusal(error: &io::Error) -> Answer {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, PermissionDenied,
        TimedOut,
    };
    match error.kind() {
        ConnectionRefused => Answer::Refused,
        // Reset within the handshake: accepted into a queue that was closed.
        ConnectionReset => Answer::Denied,
        TimedOut => Answer::Filtered,
        HostUnreachable => Answer::Unreachable("no such host, or a firewall rejects".to_owned()),
        NetworkUnreachable => Answer::Unreachable("no route".to_owned()),
        AddrNotAvailable => Answer::Unreachable("no such address here".to_owned()),
        PermissionDenied => Answer::Unreachable("a rule of this host forbids it".to_owned()),
        _ => Answer::NotTried(error.to_string()),
    }
}
