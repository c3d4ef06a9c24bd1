//! The program under test with a configuration of its own.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::{AccessLog, Admin, Netns, Probed, Process, Raw, Request, Response, free_address, wait_as_long_as};

/// A configuration that is about to run.
///
/// In its text `<name>` stands for the addresses of the service of that name, `<name.ports>` for their numbers as
/// `ports:` wants them, `<dir>` for the scenario's directory, and any other `<name>` for a free address, which the
/// test then asks for by [`Proxy::address`]. A Unix admin port and an access log in a file are added, unless the
/// text says `log:` itself.
#[derive(Debug)]
pub(crate) struct Scenario {
    text: String,
    directory: TempDir,
    services: BTreeMap<String, Vec<SocketAddr>>,
    own: BTreeMap<String, SocketAddr>,
    environment: Vec<(String, String)>,
    /// What the program sees in the place of `/etc/hosts`, and nothing of any name server.
    has_own_hosts: bool,
    options: Vec<&'static str>,
    /// Name of the network namespace in which it runs.
    within: Option<String>,
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");
/// How long it may take to start: an unoptimised build reads files of 100,000 routes on a machine that others use too.
const START: Duration = Duration::from_mins(1);

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    process: Process,
    scenario: Scenario,
    log: AccessLog,
    admin: Admin,
}

impl Scenario {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            directory: TempDir::new().unwrap(),
            services: BTreeMap::new(),
            own: BTreeMap::new(),
            environment: Vec::new(),
            has_own_hosts: false,
            options: Vec::new(),
            within: None,
        }
    }

    /// Says where the endpoints of `<name>` are.
    pub(crate) fn service(mut self, name: &str, endpoints: &[SocketAddr]) -> Self {
        self.services.insert(name.to_owned(), endpoints.to_vec());
        self
    }

    /// Says what `<name>` stands for.
    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        self.text = self.text.replace(&format!("<{name}>"), value);
        self
    }

    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets these lines be all that the program knows of host names ([`Proxy::rewrite_hosts`] changes them).
    pub(crate) fn hosts(mut self, lines: &str) -> Self {
        fs::write(self.directory.path().join("hosts"), lines).unwrap();
        fs::write(self.directory.path().join("nsswitch.conf"), "hosts: files\n").unwrap();
        self.has_own_hosts = true;
        self
    }

    /// Reloads whenever the file is saved.
    pub(crate) fn watched(mut self) -> Self {
        self.options.push("--watch");
        self
    }

    /// Runs everything in this network namespace.
    pub(crate) fn within(mut self, netns: &Netns) -> Self {
        self.within = Some(netns.name().to_owned());
        self
    }

    /// Writes a file into the scenario's directory.
    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        fs::write(self.directory.path().join(name), content).unwrap();
        self
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs it and waits until it is ready.
    pub(crate) fn start(mut self) -> Proxy {
        let mut process = self.run();
        let admin = Admin::at(&self.directory.path().join("admin.sock"));
        wait_as_long_as(START, "the proxy is ready", || {
            if let Some(code) = process.has_ended() {
                panic!("portcullis ended with {code}:\n{}", self.output());
            }
            admin.is_ready().then_some(())
        });
        let log = AccessLog::at(self.directory.path().join("access.log"));
        Proxy { process, scenario: self, log, admin }
    }

    /// Runs it and expects that it ends by itself; returns its exit code and what it said.
    pub(crate) fn start_in_vain(mut self) -> (i32, String) {
        let code = self.run().wait_for_end();
        (code, self.output())
    }

    fn run(&mut self) -> Process {
        let file = self.write();
        let output = fs::File::create(self.directory.path().join("output")).unwrap();
        let mut command = if self.has_own_hosts { self.command_with_hosts() } else { self.command() };
        command.arg("run").arg(&file).args(&self.options).stdout(output.try_clone().unwrap()).stderr(output);
        Process::start(&mut command)
    }

    /// `portcullis check`, of the file alone: what else runs on this host is not looked at.
    pub(crate) fn check(self) -> Output {
        self.check_with(&["--offline"])
    }

    /// `portcullis check` with these options.
    pub(crate) fn check_with(mut self, options: &[&str]) -> Output {
        let file = self.write();
        self.command().arg("check").args(options).arg(file).stdin(Stdio::null()).output().unwrap()
    }

    /// `portcullis probe`, of a proxy that does not run.
    pub(crate) fn probe(mut self, arguments: &[&str]) -> Probed {
        self.write();
        self.run_probe(arguments)
    }

    fn run_probe(&self, arguments: &[&str]) -> Probed {
        let mut command = self.command();
        Probed::read(
            &command.args(["probe", "--format", "json"]).args(arguments).stdin(Stdio::null()).output().unwrap(),
        )
    }

    fn command(&self) -> Command {
        let mut command = Command::new(if self.within.is_some() { "ip" } else { PROGRAM });
        if let Some(netns) = &self.within {
            command.args(["netns", "exec", netns, PROGRAM]);
        }
        self.prepared(command)
    }

    /// In a mount namespace of its own, which needs no privilege. `exec` keeps the process id.
    fn command_with_hosts(&self) -> Command {
        const MOUNT: &str =
            "mount --bind hosts /etc/hosts && mount --bind nsswitch.conf /etc/nsswitch.conf && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", PROGRAM]);
        self.prepared(command)
    }

    fn prepared(&self, mut command: Command) -> Command {
        command.current_dir(self.directory.path()).env("NO_COLOR", "1");
        // Its own, so that no scenario finds the proxy of another.
        command.env("RUNTIME_DIRECTORY", self.directory.path().join("run"));
        command.env("PORTCULLIS_STORE", self.directory.path().join("store.db"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The configuration file, written with every place filled in.
    fn write(&mut self) -> PathBuf {
        let file = self.directory.path().join("portcullis.yaml");
        let filled = self.fill();
        // In one step, as a reload may read it at any moment.
        let fresh = self.directory.path().join("portcullis.yaml.new");
        fs::write(&fresh, filled).unwrap();
        fs::rename(fresh, &file).unwrap();
        file
    }

    fn fill(&mut self) -> String {
        let directory = self.directory.path().display().to_string();
        let mut text = self.text.replace("<dir>", &directory);
        for (name, endpoints) in &self.services {
            let list: Vec<String> = endpoints.iter().map(SocketAddr::to_string).collect();
            let first = endpoints.iter().map(SocketAddr::port).min().unwrap_or(1);
            let last = endpoints.iter().map(SocketAddr::port).max().unwrap_or(1);
            let span = if first == last { first.to_string() } else { format!("{first}-{last}") };
            text = text.replace(&format!("<{name}.ports>"), &span).replace(&format!("<{name}>"), &list.join(", "));
        }
        let mut filled = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('<') {
            let (name, after) = after.split_once('>').expect("`<` has its `>`");
            let address = *self.own.entry(name.to_owned()).or_insert_with(free_address);
            filled.push_str(before);
            filled.push_str(&address.to_string());
            rest = after;
        }
        filled.push_str(rest);
        let socket = format!("{{ listen: \"unix:{directory}/admin.sock\", role: admin }}");
        let admin = format!("\nports:\n  {HARNESS_PORT}: {socket}\n");
        filled = format!("\n{filled}").replacen("\nports:\n", &admin, 1);
        if !filled.contains("\nlog:") {
            filled.push_str(&format!("\nlog: {{ access: {{ to: {directory}/access.log }} }}\n"));
        }
        filled
    }

    fn output(&self) -> String {
        fs::read_to_string(self.directory.path().join("output")).unwrap_or_default()
    }
}

impl Proxy {
    /// A proxy in front of one HTTP service, on the plain port `web`.
    pub(crate) fn before(service: SocketAddr) -> Self {
        Self::with(PLAIN, &[("shop", service)])
    }

    /// A proxy with this configuration and these services of one endpoint each.
    pub(crate) fn with(text: &str, services: &[(&str, SocketAddr)]) -> Self {
        let scenario = Scenario::new(text);
        services.iter().fold(scenario, |scenario, (name, address)| scenario.service(name, &[*address])).start()
    }

    /// Where the port of that name listens.
    pub(crate) fn address(&self, port: &str) -> SocketAddr {
        *self.scenario.own.get(port).unwrap_or_else(|| panic!("the configuration has no <{port}>"))
    }

    /// A connection to that port.
    pub(crate) fn connect(&self, port: &str) -> Raw {
        Raw::connect(self.address(port))
    }

    pub(crate) fn request(&self, port: &str, method: &str, target: &str) -> Request {
        Request::new(self.connect(port), method, target)
    }

    pub(crate) fn get(&self, port: &str, target: &str) -> Request {
        self.request(port, "GET", target)
    }

    pub(crate) fn log(&self) -> &AccessLog {
        &self.log
    }

    pub(crate) fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    pub(crate) fn directory(&self) -> &Path {
        self.scenario.directory()
    }

    /// `portcullis probe` on its own file.
    #[track_caller]
    pub(crate) fn probe(&self, arguments: &[&str]) -> Probed {
        self.scenario.run_probe(arguments)
    }

    /// Runs a verb of the program on the proxy's own file.
    pub(crate) fn verb(&self, verb: &str) -> Output {
        let mut command = self.scenario.command();
        command.arg(verb).arg("--config").arg(self.directory().join("portcullis.yaml"));
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// Runs the program with these arguments, in the scenario's directory.
    pub(crate) fn command<A: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        self.scenario.command().args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// What the program itself said so far.
    pub(crate) fn output(&self) -> String {
        self.scenario.output()
    }

    /// Writes another configuration and asks for a reload; returns its answer.
    #[track_caller]
    pub(crate) fn reload(&mut self, text: &str) -> Response {
        self.rewrite(text);
        self.admin.post("/v1/reload").send()
    }

    /// Writes another configuration and leaves it at that. Places that have an address keep it.
    pub(crate) fn rewrite(&mut self, text: &str) {
        text.clone_into(&mut self.scenario.text);
        self.scenario.write();
    }

    /// Writes something over the configuration, be it one or not.
    pub(crate) fn overwrite(&self, text: &str) {
        fs::write(self.directory().join("portcullis.yaml"), text).unwrap();
    }

    /// Changes what names of hosts mean to the program, in the file that it sees.
    pub(crate) fn rewrite_hosts(&self, lines: &str) {
        fs::write(self.directory().join("hosts"), lines).unwrap();
    }

    /// Physical memory that the process holds.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux says VmRSS");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number of KiB") * 1024
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = fs::read_to_string(self.directory().join("access.log")).unwrap_or_default();
            eprintln!("--- portcullis said:\n{}--- and logged:\n{log}---", self.output());
        }
    }
}

/// The admin port that every scenario has.
pub(crate) const HARNESS_PORT: &str = "harness-admin";

/// One HTTP service behind one plain port.
pub(crate) const PLAIN: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
";
