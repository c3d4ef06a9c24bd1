//! What a running process leaves in the runtime directory: by which admin ports it is asked.
//!
//! The verbs (`status`, `reload`, `drain`) find the admin port here, and so also while the file is broken or names
//! another port than the one that is open. A record holds addresses and no secret. It goes away with its process; one
//! that was left behind by a crash is told by its pid and start.

use std::{
    env, fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest;
use portcullis_config::declared::{Declared, ListenAddress, Role};
use portcullis_kernel::lifetime::started;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::Running;

/// Longest record that is read, bytes.
const LONGEST: u64 = 1024 * 1024;

/// A running process and its admin ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Process id.
    pub pid: i32,
    /// Clock ticks from boot to its start.
    started: u64,
    /// The file that it runs.
    pub file: PathBuf,
    /// Its admin ports, in the order of the file.
    pub admin_ports: Vec<AdminPort>,
}

/// By what one asks a proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminPort {
    /// Its name in the file.
    pub name: String,
    /// `127.0.0.1:9900` or `unix:/run/portcullis/admin.sock`.
    pub listen: String,
    /// The certificate file that it shows, if it speaks TLS.
    pub certificate: Option<PathBuf>,
}

impl AdminPort {
    /// The admin ports that are declared.
    pub fn all_of(declared: &Declared) -> Vec<Self> {
        let admin = declared.ports.iter().filter(|port| port.role.value == Role::Admin);
        admin
            .map(|port| {
                let certificate = port.tls.as_ref().and_then(|tls| tls.certificates.first());
                Self {
                    name: port.name.value.clone(),
                    listen: match &port.listen.value {
                        ListenAddress::Unix(path) => format!("unix:{}", absolute(path).display()),
                        address @ ListenAddress::Tcp(_) => address.to_string(),
                    },
                    certificate: certificate.map(|files| absolute(&files.cert.value)),
                }
            })
            .collect()
    }
}

impl Registration {
    /// The process that runs this file, if there is one and this user may know.
    pub fn find(file: &Path) -> Option<Self> {
        let file = absolute(file);
        directories().iter().filter(|directory| is_trustworthy(directory)).find_map(|directory| {
            let record = read(&directory.join(file_name(&file))).ok()?;
            (record.file == file && started(record.pid) == Some(record.started)).then_some(record)
        })
    }
}

/// Where records are looked for, in this order. A process leaves its own in the first that it can use.
pub fn directories() -> Vec<PathBuf> {
    let uid = rustix::process::geteuid();
    let given = env::var("RUNTIME_DIRECTORY").ok();
    // systemd may give several, divided by colons (`systemd.exec(5)`).
    let given = given.as_deref().and_then(|paths| paths.split(':').next()).map(PathBuf::from);
    let session = env::var_os("XDG_RUNTIME_DIR").map(|path| PathBuf::from(path).join("portcullis"));
    let own = env::temp_dir().join(format!("portcullis-{}", uid.as_raw()));
    let all = [given, Some("/run/portcullis".into()), session, Some(own)].into_iter().flatten();
    all.filter(|path| path.is_absolute()).collect()
}

/// Keeps the record of this process up to date until the process ends.
pub(crate) async fn keep(mut running: watch::Receiver<Arc<Running>>, file: PathBuf) {
    let Some(record) = Record::for_file(&file) else {
        tracing::info!("no runtime directory can be used: while the file is broken, verbs need --admin");
        return;
    };
    loop {
        let admin_ports = AdminPort::all_of(&running.borrow_and_update().declared);
        if let Err(error) = record.write(admin_ports) {
            tracing::warn!(place = %record.place.display(), %error, "the runtime record could not be written");
        }
        if running.changed().await.is_err() {
            return;
        }
    }
}

/// The record of this process; removed when it is dropped.
struct Record {
    place: PathBuf,
    file: PathBuf,
}

impl Record {
    fn for_file(file: &Path) -> Option<Self> {
        let file = absolute(file);
        let usable = directories().into_iter().find(|directory| prepare(directory).is_ok())?;
        Some(Self { place: usable.join(file_name(&file)), file })
    }

    fn write(&self, admin_ports: Vec<AdminPort>) -> io::Result<()> {
        let pid = i32::try_from(std::process::id()).map_err(io::Error::other)?;
        let started = started(pid).unwrap_or_default();
        let text = serde_json::to_string_pretty(&Registration { pid, started, file: self.file.clone(), admin_ports })?;
        // In one step: somebody may be reading.
        let fresh = self.place.with_extension(format!("{pid}.new"));
        fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)
            .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()))?;
        fs::rename(&fresh, &self.place)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let is_own = |record: &Registration| u32::try_from(record.pid) == Ok(std::process::id());
        if read(&self.place).is_ok_and(|record| is_own(&record)) {
            // Somebody else may have removed it; then there is nothing left to do.
            let _ = fs::remove_file(&self.place);
        }
    }
}

fn read(place: &Path) -> io::Result<Registration> {
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(fs::File::open(place)?, LONGEST), &mut text)?;
    Ok(serde_json::from_str(&text)?)
}

/// Makes the directory if it is missing; an error if others could write into it.
fn prepare(directory: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let is_own = fs::symlink_metadata(directory)?.uid() == rustix::process::geteuid().as_raw();
    if is_own && is_trustworthy(directory) { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// Nobody but its owner writes into it; in a place that everybody can write to, the owner has to be this user or root.
fn is_trustworthy(directory: &Path) -> bool {
    let Ok(metadata) = fs::symlink_metadata(directory) else { return false };
    let others_write = metadata.mode() & 0o022 != 0;
    let uid = rustix::process::geteuid().as_raw();
    let is_placed_by_owner = !directory.starts_with(env::temp_dir()) || [uid, 0].contains(&metadata.uid());
    metadata.is_dir() && !others_write && is_placed_by_owner
}

/// Of the absolute path of the configuration file.
fn file_name(file: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let digest = digest::digest(&digest::SHA256, file.as_os_str().as_bytes());
    let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
    format!("{:016x}.json", u64::from_be_bytes(first))
}

/// The path that is the same from every working directory.
fn absolute(path: &Path) -> PathBuf {
    fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn port() -> AdminPort {
        AdminPort { name: "admin".into(), listen: "127.0.0.1:9900".into(), certificate: None }
    }

    #[test]
    fn a_record_is_what_was_written_and_goes_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record { place: folder.path().join("a.json"), file: "/etc/portcullis.yaml".into() };
        record.write(vec![port()]).unwrap();
        let read_back = read(&record.place).unwrap();
        assert_eq!((read_back.file.as_path(), read_back.admin_ports), (record.file.as_path(), vec![port()]));
        assert_eq!(started(read_back.pid), Some(read_back.started));
        let place = record.place.clone();
        assert_eq!(fs::metadata(&place).unwrap().mode() & 0o777, 0o600);
        drop(record);
        assert!(!place.exists());
    }

    #[test]
    fn a_record_of_another_process_stays() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record { place: folder.path().join("a.json"), file: "/etc/portcullis.yaml".into() };
        let other = Registration { pid: 1, started: 0, file: record.file.clone(), admin_ports: vec![] };
        fs::write(&record.place, serde_json::to_string(&other).unwrap()).unwrap();
        let place = record.place.clone();
        drop(record);
        assert!(place.exists());
    }

    #[test]
    fn a_directory_that_others_write_into_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("portcullis");
        prepare(&directory).unwrap();
        assert!(is_trustworthy(&directory));
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(prepare(&directory).is_err());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        assert!(prepare(&link).is_err(), "a link may lead anywhere");
    }
}
