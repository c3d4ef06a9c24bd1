//! Ticket keys that outlive plans.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use rustls::{crypto::aws_lc_rs::Ticketer, server::ProducesTickets};

use super::{Believed, ClientPolicy};

/// Ticket keys by port and client policy. A ticket made under one policy is never good under another, or a session
/// begun without a client certificate would be resumed where one is required (CVE-2025-23419); and resumption survives
/// a reload that changes neither.
///
/// Keys live as long as a server configuration uses them: a reload that fails, or a check, leaves no trace.
#[derive(Debug, Default)]
pub struct TicketRegistry {
    in_use: Mutex<HashMap<Domain, Weak<dyn ProducesTickets>>>,
}

/// Where a ticket is good.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Domain {
    port: String,
    asks: Asks,
}

/// The part of a [`ClientPolicy`] that tells two apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Asks {
    Nothing,
    Optional(Digests),
    Required(Digests),
}

/// Of the CAs and of the revocation lists: with a new list, every session is to be proven anew.
type Digests = ([u8; 32], Option<[u8; 32]>);

impl TicketRegistry {
    /// The keys for a port with this policy. They rotate by themselves every six hours, and a ticket is good for
    /// twelve at most.
    pub(super) fn tickets(
        &self,
        port: &str,
        clients: &ClientPolicy,
    ) -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
        let asks = match clients {
            ClientPolicy::None => Asks::Nothing,
            ClientPolicy::Optional(believed) => Asks::Optional(digests(believed)),
            ClientPolicy::Required(believed) => Asks::Required(digests(believed)),
        };
        let domain = Domain { port: port.to_owned(), asks };
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.retain(|_, tickets| tickets.strong_count() > 0);
        if let Some(tickets) = in_use.get(&domain).and_then(Weak::upgrade) {
            return Ok(tickets);
        }
        let tickets = Ticketer::new()?;
        in_use.insert(domain, Arc::downgrade(&tickets));
        Ok(tickets)
    }
}

fn digests(believed: &Believed) -> Digests {
    (believed.roots.digest, believed.revoked.as_ref().map(|revoked| revoked.digest))
}
