//! Who keeps a declared number from being listened on, where nobody listens.

use portcullis_kernel::{
    inventory::{Inventory, OpenSocket, Protocol, State},
    occupancy::{Form, hold},
};

use super::{Declaration, holders};
use crate::{check::Check, estate::Seat, outcome::Outcome};

/// What holds the address without listening, if anything does: an outgoing connection whose local port the number is, or
/// a socket that is bound and nothing more.
pub(super) fn by(place: &Declaration<'_, '_>, inventory: &Inventory) -> Option<Outcome> {
    let holder = inventory.sockets.iter().find(|socket| holds(socket, place))?;
    if holder.state == State::Connected && is_left_over(place) {
        return None;
    }
    let who = holders(&[holder]);
    let address = holder.address;
    let outcome = |got: String| place.fail(Check::StolenPort, "looked for who holds the number", got);
    Some(match (holder.state, holder.peer) {
        (State::Bound, _) => outcome(format!("nobody listens, and {who} has bound {address} without listening"))
            .fix("let it listen, or end it"),
        (_, Some(peer)) => outcome(format!(
            "nobody listens, and {who} uses {address} for an outgoing connection to {peer}"
        ))
        .fix(format!(
            "end the connection, then keep the number: `sysctl -w net.ipv4.ip_local_reserved_ports={}`",
            address.port()
        )),
        (_, None) => return None,
    })
}

/// Whether connections that a server accepted before it went are all that is on the address: they keep no server from
/// it. The kernel's table does not tell who opened a connection; binding does, for the moment that it takes.
fn is_left_over(place: &Declaration<'_, '_>) -> bool {
    place.seat == Seat::Here && hold(Protocol::Tcp, place.address, Form::Bound).is_ok()
}

/// A connection in TIME_WAIT keeps nobody from listening who sets SO_REUSEADDR, as servers do.
fn holds(socket: &OpenSocket, place: &Declaration<'_, '_>) -> bool {
    let (own, asked) = (socket.address.ip().to_canonical(), place.address.ip().to_canonical());
    let meets = own == asked || (own.is_ipv4() == asked.is_ipv4() && (own.is_unspecified() || asked.is_unspecified()));
    let is_in_the_way = matches!(socket.state, State::Connected | State::Bound);
    socket.protocol == Protocol::Tcp && socket.address.port() == place.address.port() && meets && is_in_the_way
}
