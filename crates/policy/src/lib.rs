//! May they: deciding whether a principal may pass, by Cedar policies.
//!
//! Owns: the Cedar schema of ports, routes, services and principals; the translation of `allow:` and `deny:` of routes
//! into Cedar; policies of one's own beside them; the decision, which policies made it, and for how long it holds.
//!
//! Must not know: how an identity was proven, connections, the configuration file.
//!
//! Invariants: there is one engine and one answer; what no policy permits is refused; a policy that fails to evaluate
//! permits nothing.
