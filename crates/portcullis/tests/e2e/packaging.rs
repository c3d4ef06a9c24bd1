//! What is put beside the binary: held to the tools that read it, and to the program that it runs.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
    path::Path,
    process::{Command, Output},
};

use crate::harness::{PATIENCE, Process, Proxy, Web, wait_until};

const PACKAGING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging");
const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");

fn packaged(name: &str) -> String {
    fs::read_to_string(Path::new(PACKAGING).join(name)).unwrap()
}

/// The unit as it is after an installation: with the program where it says.
fn installed_unit() -> String {
    packaged("systemd/portcullis.service").replace("/usr/bin/portcullis", PROGRAM)
}

#[track_caller]
fn run(command: &mut Command) -> Output {
    let program = command.get_program().to_string_lossy().into_owned();
    command.output().unwrap_or_else(|error| panic!("`{program}` cannot be started ({error}): run scripts/setup"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_unit_is_right_and_hardened() {
    let directory = tempfile::tempdir().unwrap();
    let unit = directory.path().join("portcullis.service");
    fs::write(&unit, installed_unit()).unwrap();
    let verified = run(Command::new("systemd-analyze").arg("verify").arg(&unit));
    assert!(verified.status.success() && said(&verified).is_empty(), "{}", said(&verified));
    // On a scale from 0 (safe) to 10; most units of a distribution have 9.
    let rated = run(Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=25"]).arg(&unit));
    assert!(rated.status.success(), "{}", said(&rated));
}

#[test]
fn the_user_of_the_unit_is_made() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    let list = Path::new(PACKAGING).join("systemd/portcullis.sysusers");
    let made = run(Command::new("systemd-sysusers").arg(format!("--root={}", root.path().display())).arg(list));
    assert!(made.status.success(), "{}", said(&made));
    let users = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    assert!(users.lines().any(|line| line.starts_with("portcullis:")), "{users}");
    for key in ["User=", "Group="] {
        let unit = installed_unit();
        assert!(unit.lines().any(|line| line == format!("{key}portcullis")), "{key}");
    }
}

/// The words after `KEY=` of the unit, with the file of a scenario in place of the installed one.
fn command_of(key: &str, file: &Path) -> Command {
    let unit = installed_unit();
    let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap();
    let line = line.replace("/etc/portcullis/portcullis.yaml", &file.display().to_string());
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words).env("RUNTIME_DIRECTORY", file.with_file_name("run"));
    command
}

/// Reads what a service manager is told until it is this.
#[track_caller]
fn wait_for_notice(manager: &UnixDatagram, expected: &str) {
    let mut buffer = [0; 256];
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    loop {
        let length = manager.recv(&mut buffer).unwrap_or_else(|error| panic!("no {expected}: {error}"));
        if buffer[..length] == *expected.as_bytes() {
            return;
        }
    }
}

#[test]
fn the_commands_of_the_unit_start_reload_and_stop() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("portcullis.yaml");
    let admin = directory.path().join("admin.sock");
    let good = format!("ports:\n  admin: {{ listen: \"unix:{}\", role: admin }}\n", admin.display());
    fs::write(&file, &good).unwrap();
    let place = directory.path().join("notify");
    let manager = UnixDatagram::bind(&place).unwrap();
    let mut process = Process::start(command_of("ExecStart", &file).env("NOTIFY_SOCKET", &place));
    wait_for_notice(&manager, "READY=1");
    let reloaded = run(&mut command_of("ExecReload", &file));
    assert!(reloaded.status.success(), "{}", said(&reloaded));
    fs::write(&file, good.replace("role: admin", "role: adnim")).unwrap();
    let refused = run(&mut command_of("ExecReload", &file));
    assert!(!refused.status.success() && said(&refused).contains("did you mean `admin`"), "{}", said(&refused));
    process.signal("TERM");
    wait_for_notice(&manager, "STOPPING=1");
    assert_eq!(process.wait_for_end(), 0);
}

#[test]
fn a_rotated_log_goes_on_in_a_new_file_and_loses_nothing() {
    let web = Web::start("a");
    let proxy = Proxy::before(web.address());
    let directory = proxy.directory();
    let signal = "systemctl kill --kill-who=main --signal=SIGUSR1 portcullis.service";
    let packaged = packaged("logrotate/portcullis");
    assert!(packaged.contains(signal));
    let here = packaged
        .replace("/var/log/portcullis", &directory.display().to_string())
        .replace(signal, &format!("kill -USR1 {}", proxy.id()));
    let (rules, state) = (directory.join("rotation"), directory.join("state"));
    fs::write(&rules, here).unwrap();
    proxy.get("web", "/before").expects(200);
    proxy.log().wait_for_path("/before");
    let rotated = run(Command::new("logrotate").args(["--force", "--state"]).arg(&state).arg(&rules));
    assert!(rotated.status.success(), "{}", said(&rotated));
    assert!(fs::read_to_string(directory.join("access.log.1")).unwrap().contains("/before"));
    proxy.get("web", "/after").expects(200);
    wait_until("the record is in the new file", || {
        fs::read_to_string(directory.join("access.log")).ok().filter(|log| log.contains("/after")).map(|_| ())
    });
    let rotated = fs::read_to_string(directory.join("access.log.1")).unwrap();
    assert!(!rotated.contains("/after"), "{rotated}");
}

#[test]
fn the_file_of_the_instructions_is_right() {
    let page = packaged("README.md");
    let yaml = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("portcullis.yaml");
    fs::write(&file, yaml).unwrap();
    let checked = run(Command::new(PROGRAM).args(["check", "--offline", "--deny-warnings"]).arg(&file));
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
}

/// A compiler that nobody waits for went on for minutes, and nothing had been said all the while.
#[test]
fn the_demo_shows_that_it_builds_and_ends_what_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    for folder in ["scripts", "bin"] {
        fs::create_dir(place(folder)).unwrap();
    }
    fs::copy(Path::new(PACKAGING).join("../scripts/demo"), place("scripts/demo")).unwrap();
    fs::write(place("scripts/setup"), "true\n").unwrap();
    fs::write(place("bin/cargo"), "#!/bin/sh\necho '   Compiling' >&2\nsleep 600 &\necho $! >compiler\nwait\n")
        .unwrap();
    fs::set_permissions(place("bin/cargo"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", place("bin").display(), std::env::var("PATH").unwrap());
    let output = fs::File::create(place("output")).unwrap();
    // Without a network, so that none of its ports is taken.
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "bash", "scripts/demo"]).current_dir(directory.path());
    let mut demo = Process::start(command.env("PATH", path).stdout(output.try_clone().unwrap()).stderr(output));
    let compiler = wait_until("it builds", || {
        fs::read_to_string(place("compiler")).ok().filter(|id| id.ends_with('\n')).map(|id| id.trim().to_owned())
    });
    demo.signal("TERM");
    assert_eq!(demo.wait_for_end(), 0);
    assert!(fs::read_to_string(place("output")).unwrap().contains("   Compiling"));
    wait_until("nothing of it runs any more", || {
        let stat = fs::read_to_string(format!("/proc/{compiler}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z')).then_some(())
    });
}
