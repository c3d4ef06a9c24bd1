//! Units: the proxy may bind exactly the declared ports and nothing else, and so may each service.
//!
//! `SocketBindAllow=`/`SocketBindDeny=` are enforced by the kernel for every process of a unit (systemd.resource-control(5)).

use std::{fmt::Write, path::Path};

use portcullis_config::{
    declared::{Declared, ListenAddress, LogTarget, Service},
    scope::Scope,
};

use crate::{
    Artefact, Generated, Options, flows,
    text::{comment, identifier},
};

const HARDENING: &str = "\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
PrivateTmp=yes
PrivateDevices=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
";

pub(crate) fn generate(declared: &Declared, options: &Options) -> Generated {
    let mut generated = Generated::default();
    generated.artefacts.push(Artefact { name: "portcullis.service".to_owned(), text: proxy(declared, options) });
    for service in &declared.services {
        match options.commands.get(&service.name.value) {
            Some(command) => generated.artefacts.extend(units(service, command)),
            None => generated.artefacts.extend(drop_in(service)),
        }
    }
    for name in options.commands.keys() {
        if !declared.services.iter().any(|service| service.name.value == *name) {
            generated.notes.push(format!("--exec {name}: there is no such service"));
        }
    }
    if declared.services.iter().any(|service| !options.commands.contains_key(&service.name.value)) {
        generated.notes.push(
            "a service without --exec NAME=COMMAND gets a drop-in for a unit of its name, which allows it its ports only"
                .to_owned(),
        );
    }
    generated
}

fn proxy(declared: &Declared, options: &Options) -> String {
    let open = flows::open(declared);
    let mut binds: Vec<String> = open
        .iter()
        .map(|open| {
            let family = if open.address.is_ipv4() { "ipv4" } else { "ipv6" };
            format!("SocketBindAllow={family}:tcp:{}\n", open.address.port())
        })
        .collect();
    binds.sort();
    binds.dedup();
    let capability = if open.iter().any(|open| open.address.port() < 1024) {
        "AmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"
    } else {
        "CapabilityBoundingSet=\n"
    };
    let mut writable = String::new();
    if let Some(LogTarget::File(path)) = declared.log.access.to.as_ref().map(|to| &to.value)
        && let Some(folder) = path.parent().filter(|folder| folder.is_absolute())
    {
        let _ = writeln!(writable, "ReadWritePaths={}", folder.display());
    }
    let has_unix = declared.ports.iter().any(|port| matches!(port.listen.value, ListenAddress::Unix(_)));
    if has_unix {
        writable.push_str("RuntimeDirectory=portcullis\n");
    }
    let (file, program) = (absolute(&options.file), comment(&options.program));
    format!(
        "# Exactly the ports that the file declares can be bound, whatever the program does.\n\
         # Written by `portcullis generate systemd`.\n\
         [Unit]\n\
         Description=Portcullis access proxy\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         \n\
         [Service]\n\
         Type=notify\n\
         ExecStart={program} run {file}\n\
         ExecReload=/bin/kill -HUP $MAINPID\n\
         Restart=on-failure\n\
         DynamicUser=yes\n\
         LimitNOFILE=262144\n\
         RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK\n\
         {}SocketBindDeny=any\n\
         {capability}{writable}{HARDENING}\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        binds.concat()
    )
}

/// A path that a unit can name.
fn absolute(file: &str) -> String {
    if Path::new(file).is_absolute() { comment(file) } else { format!("/etc/portcullis/{}", comment(file)) }
}

/// What a unit of the operator's own may bind.
fn drop_in(service: &Service) -> Option<Artefact> {
    let (first, last) = flows::internal_ports(service)?;
    let name = identifier(&service.name.value, '-');
    let ports = if first == last { first.to_string() } else { format!("{first}-{last}") };
    let text = format!(
        "# Service `{}` may bind its internal ports and nothing else. Written by `portcullis generate systemd`.\n\
         [Service]\nSocketBindAllow=tcp:{ports}\nSocketBindDeny=any\n",
        comment(&service.name.value)
    );
    Some(Artefact { name: format!("{name}.service.d/50-portcullis.conf"), text })
}

/// A socket for each internal port on this host, held by systemd, and the service that is handed it.
fn units(service: &Service, command: &str) -> Vec<Artefact> {
    let name = identifier(&service.name.value, '-');
    let title = comment(&service.name.value);
    let local: Vec<(String, u16)> = flows::endpoints(service)
        .into_iter()
        .filter_map(|(host, port, _)| host.parse().ok().map(|ip| (ip, port)))
        .filter(|(ip, _)| Scope::of(*ip) != Scope::Public)
        .map(|(ip, port)| (if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }, port))
        .collect();
    let mut artefacts = Vec::new();
    for (host, port) in &local {
        let free = if host.starts_with("127.") || host == "[::1]" { "" } else { "FreeBind=yes\n" };
        let text = format!(
            "# Internal port {port} of service `{title}`. Written by `portcullis generate systemd`.\n\
             [Unit]\nDescription=Internal port {port} of {title}\n\n\
             [Socket]\nListenStream={host}:{port}\n{free}Service={name}@{port}.service\n\n\
             [Install]\nWantedBy=sockets.target\n"
        );
        artefacts.push(Artefact { name: format!("{name}-{port}.socket"), text });
    }
    let text = format!(
        "# One replica of service `{title}`; its socket is handed over as LISTEN_FDS, so it binds no port itself.\n\
         # Written by `portcullis generate systemd`.\n\
         [Unit]\nDescription=Replica %i of {title}\nRequires={name}-%i.socket\n\n\
         [Service]\nExecStart={}\nDynamicUser=yes\nRestart=on-failure\n\
         RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\nSocketBindDeny=any\nCapabilityBoundingSet=\n{HARDENING}",
        comment(command)
    );
    artefacts.push(Artefact { name: format!("{name}@.service"), text });
    artefacts
}
