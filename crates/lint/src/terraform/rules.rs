//! The rules about clouds. PC604 and PC611 are the estate's, which knows more files.

use crate::rule::{Default, Rule, Severity};
pub(super) use crate::estate::UNSERVED;

/// Everybody reaches what is not for everybody.
pub(super) static INTERNET: Rule = Rule {
    id: "PC601",
    name: "sensitive-port-open-to-internet",
    severity: Severity::Critical,
    title: "a firewall lets the whole internet reach a sensitive port",
    why: "Machines try every address of the internet within the hour, and what listens on these ports was made for \
          friends: one weak password or one late update is enough. Networks are added up before they are judged, so \
          `0.0.0.0/1` with `128.0.0.0/1`, `1.0.0.0/0` and `::/0` are the whole internet too.",
    remedy: "Let in only those who use it: another security group, or the addresses of those who administer it.",
    default: Default::On,
};

/// Strangers reach it.
pub(super) static PUBLIC: Rule = Rule {
    id: "PC602",
    name: "sensitive-port-open-to-public-network",
    severity: Severity::High,
    title: "a firewall lets a public network reach a sensitive port",
    why: "A public network belongs to a provider, whose customers change: whoever rents an address in it tomorrow is \
          let in as well. Single addresses (up to a /30, or a /64 of IPv6) are not reported.",
    remedy: "Name the addresses that need it one by one, or use a VPN or another security group.",
    default: Default::On,
};

/// Everybody within reaches it.
pub(super) static PRIVATE: Rule = Rule {
    id: "PC603",
    name: "sensitive-port-open-to-wide-private-network",
    severity: Severity::Medium,
    title: "a firewall lets a whole private network of a /16 or more reach a sensitive port",
    why: "One machine that is taken over in such a network reaches the database of all others. A security group as \
          the source, or the subnet of the application, says who is meant.",
    remedy: "Name the security group of the application as the source, or its subnet.",
    default: Default::On,
};

/// A range nobody serves.
pub(super) static MANY_PORTS: Rule = Rule {
    id: "PC605",
    name: "all-ports-open",
    severity: Severity::Critical,
    title: "a firewall opens all ports, all protocols or thousands of ports",
    why: "Whatever is started on the machine tomorrow is open from its first second. A firewall that opens everything \
          is none.",
    remedy: "Write one rule for each port that is served.",
    default: Default::On,
};

/// The way out.
pub(super) static WAY_OUT: Rule = Rule {
    id: "PC606",
    name: "unrestricted-egress",
    severity: Severity::Medium,
    title: "a firewall lets everything out to everywhere",
    why: "Who has broken in fetches tools and carries data away through it. It is the default of many clouds and of \
          most examples, so this says where a second line of defence is missing, not that one is broken.",
    remedy: "Allow what is needed: port 443, names, and the groups of the databases.",
    default: Default::On,
};

/// What nobody chose.
pub(super) static BY_DEFAULT: Rule = Rule {
    id: "PC607",
    name: "default-network-or-group",
    severity: Severity::High,
    title: "a default security group or a default network is used or lets traffic through",
    why: "What names no group or network lands in the default one. What that one allows is allowed to things that \
          nobody thought about.",
    remedy: "Leave defaults empty, and give everything a group and a network of its own.",
    default: Default::On,
};

/// Nobody can tell what it is for.
pub(super) static UNSAID: Rule = Rule {
    id: "PC608",
    name: "firewall-without-purpose",
    severity: Severity::Low,
    title: "a security group or rule without description, or one that nothing uses",
    why: "A rule of which nobody knows what it is for is never removed. An unused group waits to be put on the wrong \
          machine.",
    remedy: "Write one line about who needs it; remove what is not used.",
    default: Default::On,
};

/// An address of its own.
pub(super) static PUBLIC_ADDRESS: Rule = Rule {
    id: "PC609",
    name: "public-address",
    severity: Severity::Medium,
    title: "a machine has a public address, or a load balancer does not say that it is meant to face the internet",
    why: "With a public address a single mistake in a firewall is enough. Machines behind a load balancer need none.",
    remedy: "Give public addresses to load balancers alone, and let them say so.",
    default: Default::On,
};

/// A database for everybody.
pub(super) static MANAGED: Rule = Rule {
    id: "PC610",
    name: "managed-service-public",
    severity: Severity::Critical,
    title: "a managed database or cluster can be reached from the internet",
    why: "Its password, or a credential that leaked somewhere, is then the only thing between strangers and the data.",
    remedy: "Keep it in private subnets and reach it through the application, a VPN or a bastion.",
    default: Default::On,
};

/// A number that everybody knows.
pub(super) static DEFAULT_PORT: Rule = Rule {
    id: "PC612",
    name: "default-database-port",
    severity: Severity::Info,
    title: "a managed database listens on the port that its kind always listens on",
    why: "Another number hides nothing from a scanner, so this protects nobody; some policies ask for it all the same. \
          Off unless it is enabled.",
    remedy: "Nothing. If a policy asks for it, give the database another port.",
    default: Default::Off,
};
