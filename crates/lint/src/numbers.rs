//! Rules about port numbers alone, which every format applies to the numbers it reads.

use crate::rule::{Default, Rule, Severity};

/// A port below 1024, where the one who binds it is known not to be privileged.
pub static PRIVILEGED: Rule = Rule {
    id: "PC112",
    name: "privileged-port",
    severity: Severity::Medium,
    title: "a port below 1024 for a program that may not be allowed to bind it",
    why: "Ports below `net.ipv4.ip_unprivileged_port_start` (1024, unless it was lowered) need root or the capability \
          CAP_NET_BIND_SERVICE. A program without them fails to start, or is given more rights than it needs.",
    remedy: "Listen on a port from 1024 up and let the proxy or the publication translate it, or hand the socket over \
             by socket activation.",
    default: Default::On,
};

/// A number that no port has.
pub static IMPOSSIBLE: Rule = Rule {
    id: "PC114",
    name: "impossible-port",
    severity: Severity::Critical,
    title: "a port is 0 or beyond 65535, or a range of ports is empty or stands the wrong way round",
    why: "Ports are numbers from 1 to 65535. What lies outside is refused when it is used, wraps to another number in \
          careless programs, or (0) means a random port, which no policy can name.",
    remedy: "Write a number from 1 to 65535, and the smaller end of a range first.",
    default: Default::On,
};
