//! What Cedar policies may speak of: the entities, actions and attributes.

use std::str::FromStr;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};

/// The schema, in Cedar's own form: for editors, for `portcullis policy schema`, and for the validator.
pub const SCHEMA: &str = r#"// What policies of Portcullis may speak of.

// A port of the file. A route is in all the ports that it takes traffic from; `context.port` is the one that was used.
entity Port = {
  // "public" or "internal"
  role: String,
};

// A service of the file.
entity Service;

// A route of the file.
entity Route in [Port, Service];

// A group that a provider names: Group::"dba" of whatever provider, Group::"corp/dba" of the provider `corp` alone.
entity Group;

// A person, as User::"provider/subject". Its claims are tags: principal.hasTag("team"), principal.getTag("team").
entity User in [Group] = {
  // The name of the provider in the file.
  provider: String,
  // The provider's own name for it.
  subject: String,
  // The verified e-mail address in lower case, else the subject.
  name: String,
  // Verified, in lower case.
  email?: String,
  // What follows the @ of it.
  domain?: String,
} tags Set<String>;

// A program.
entity Workload in [Group] = {
  provider: String,
  subject: String,
  name: String,
  email?: String,
  domain?: String,
} tags Set<String>;

// A sender that proved nothing: Anonymous::"anyone".
entity Anonymous;

// A client certificate that the handshake has proven.
type Certificate = {
  subject: String,
  // SHA-256, as 64 hex digits.
  thumbprint: String,
};

// One HTTP request.
action request appliesTo {
  principal: [User, Workload, Anonymous],
  resource: [Route],
  context: {
    port: Port,
    source: ipaddr,
    // Names on the client certificate in lower case; "*" if there is one, "*.example.com" if a name is below that.
    certificates: Set<String>,
    device?: Certificate,
    // Without port, in lower case.
    host: String,
    // In normal form, without query.
    path: String,
    method: String,
    time: datetime,
    // Of the day in the zone of the route: 0 to 1439.
    minute: Long,
    // "mon" to "sun", in the zone of the route.
    weekday: String,
    // Whether the principal has a grant for the service that has not ended.
    granted: Bool,
    // The long lists of the route that name the sender; for what `allow:` and `deny:` become.
    lists: Set<String>,
  },
};

// One TCP connection, or a tunnel.
action connect appliesTo {
  principal: [User, Workload, Anonymous],
  resource: [Route],
  context: {
    port: Port,
    source: ipaddr,
    certificates: Set<String>,
    device?: Certificate,
    // The name in the TLS handshake, if there was one.
    host?: String,
    time: datetime,
    minute: Long,
    weekday: String,
    granted: Bool,
    lists: Set<String>,
  },
};
"#;

/// The identifier of the one `Anonymous`.
pub(crate) const ANYONE: &str = "anyone";

/// The schema, read.
pub(crate) fn schema() -> Result<Schema, String> {
    Schema::from_cedarschema_str(SCHEMA).map(|(schema, _)| schema).map_err(|error| error.to_string())
}

/// The types of entities, and the entities that are always there.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) port: EntityTypeName,
    pub(crate) service: EntityTypeName,
    pub(crate) route: EntityTypeName,
    pub(crate) group: EntityTypeName,
    pub(crate) user: EntityTypeName,
    pub(crate) workload: EntityTypeName,
    pub(crate) anonymous: EntityTypeName,
    pub(crate) anyone: EntityUid,
    pub(crate) request: EntityUid,
    pub(crate) connect: EntityUid,
}

impl Terms {
    pub(crate) fn new() -> Result<Self, String> {
        let name = |text| EntityTypeName::from_str(text).map_err(|error| error.to_string());
        let (anonymous, action) = (name("Anonymous")?, name("Action")?);
        Ok(Self {
            port: name("Port")?,
            service: name("Service")?,
            route: name("Route")?,
            group: name("Group")?,
            user: name("User")?,
            workload: name("Workload")?,
            anyone: entity(&anonymous, ANYONE),
            anonymous,
            request: entity(&action, "request"),
            connect: entity(&action, "connect"),
        })
    }
}

/// `Group::"dba"`
pub(crate) fn entity(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}
