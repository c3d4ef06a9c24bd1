//! Opening ports: what is refused and in which words, and Unix sockets.

#![allow(clippy::unwrap_used)] // a test that can not go on has failed

use std::{
    fs, io,
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, net::UnixStream},
};

use portcullis_kernel::listen::{ListenError, listen, listen_unix};

/// Whether this host speaks IPv6 at all; one that does not has nothing to say about half of the cases.
fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

#[test]
fn an_address_of_another_host_is_refused_with_those_of_this_one() {
    for address in ["203.0.113.7:8080", "[2001:db8::7]:8080"] {
        if address.starts_with('[') && !has_ipv6() {
            continue;
        }
        let error = listen(address.parse().unwrap(), 1).unwrap_err();
        assert!(matches!(error, ListenError::NoSuchAddress { .. }), "{error}");
        let said = error.to_string();
        assert!(said.starts_with(&format!("{address}: no such address on this host, which has ")), "{said}");
        assert!(said.contains("127.0.0.1") && said.ends_with("net.ipv4.ip_nonlocal_bind"), "{said}");
    }
}

#[test]
fn a_forbidden_port_names_the_capability_and_the_setting() {
    let said = ListenError::Forbidden { address: "127.0.0.1:443".parse().unwrap() }.to_string();
    assert!(said.contains("CAP_NET_BIND_SERVICE") && said.contains("ip_unprivileged_port_start"), "{said}");
}

#[test]
fn sockets_do_not_block_and_ipv6_ones_take_no_ipv4() {
    if !has_ipv6() {
        return;
    }
    let six = listen("[::]:0".parse().unwrap(), 1).unwrap();
    assert_eq!(six[0].accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let port = six[0].local_addr().unwrap().port();
    assert_eq!(TcpStream::connect(("127.0.0.1", port)).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    assert!(TcpStream::connect(("::1", port)).is_ok());
}

#[test]
fn a_unix_socket_is_for_this_user_alone_and_replaces_a_stale_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let listener = listen_unix(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert!(UnixStream::connect(&path).is_ok());

    let said = listen_unix(&path).unwrap_err().to_string();
    assert!(said.contains(&format!("(pid {}) listens on it", std::process::id())), "{said}");
    drop(listener);
    assert!(path.exists());
    drop(listen_unix(&path).unwrap());
}

#[test]
fn what_is_not_a_stale_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for path in [&file, &link, &folder.path().to_path_buf()] {
        let error = listen_unix(path).unwrap_err();
        assert!(matches!(error, ListenError::NotASocket { .. }), "{error}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let error = listen_unix(&folder.path().join("missing/admin.sock")).unwrap_err();
    assert!(error.to_string().contains("No such file or directory"), "{error}");
}
