//! Header lines that got past the edits of a route.

use crate::harness::{Backend, Proxy, Web};

const EDITED: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - port: web
    service: shop
    allow: anyone
    request-headers: { append: { x-user: guest, x-tag: proxy } }
    response-headers: { set: { server: portcullis }, append: { x-more: \"1\" }, remove: [x-secret] }
";

/// Interim heads were passed on as they came.
#[test]
fn interim_answers_tell_nothing_that_the_route_removes() {
    let backend = Backend::answering(
        "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\nX-Secret: 1\r\nserver: inside/1.0\r\n\r\n\
        HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-secret: 1\r\nserver: inside/1.0\r\n\r\n",
    );
    let proxy = Proxy::with(EDITED, &[("shop", backend.address())]);
    let mut client = proxy.connect("web");
    let hints = client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").response();
    assert_eq!((hints.status, hints.headers), (103, vec![("link".to_owned(), "</a.css>".to_owned())]));
    let answer = client.response();
    assert_eq!((answer.all("server"), answer.header("x-more")), (vec!["portcullis"], Some("1")));
    assert_eq!(answer.header("x-secret"), None);
}

/// 101 is the last head that HTTP sees of the connection.
#[test]
fn a_switch_of_protocols_is_edited_like_any_final_answer() {
    let backend = Backend::start(|mut peer| {
        peer.read_head();
        peer.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat\r\nx-secret: 1\r\n\r\n");
        peer.read_to_end();
    });
    let proxy = Proxy::with(EDITED, &[("shop", backend.address())]);
    let mut client = proxy.connect("web");
    let answer = client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n").response();
    assert_eq!(answer.status, 101);
    assert_eq!((answer.header("server"), answer.header("x-more")), (Some("portcullis"), Some("1")));
    assert_eq!((answer.header("x-secret"), answer.header("upgrade")), (None, Some("chat")));
}

/// What the proxy says in every head came back from the client as a trailer.
#[test]
fn trailers_claim_nothing_that_heads_may_not() {
    let web = Web::start("a");
    let proxy = Proxy::with(EDITED, &[("shop", web.address())]);
    let post = |trailer: &str| {
        let mut client = proxy.connect("web");
        client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n");
        client.send(format!("x-sum: 1\r\n{trailer}: 2\r\n\r\n"));
        client.response()
    };
    for dropped in ["X-Request-Id", "x-request-id", "X-User", "x-tag", "X_Tag"] {
        let answer = post(dropped);
        assert_eq!(answer.status, 200, "{dropped}");
        let echo = answer.echo();
        assert!(echo.has_trailer("x-sum: 1") && !echo.has_trailer(&format!("{dropped}: 2")), "{echo:?}");
    }
    for refused in [
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-User",
        "X-Forwarded-Client-Cert",
        "X-Real-IP",
        "X_Request_Id",
        "X_Forwarded_For",
        "Authorization",
        "Cookie",
    ] {
        assert_eq!(post(refused).status, 400, "{refused}");
    }
}

const CHOSEN_BY_HEADER: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
  back: { ports: <back.ports>, endpoints: [<back>] }
routes:
  - { port: web, headers: { x-tenant: red }, service: back, allow: anyone }
  - { port: web, service: shop, allow: anyone }
";

/// A service that merges trailers into headers decided by a value that no route had seen.
#[test]
fn what_routes_are_chosen_by_never_comes_behind_the_body() {
    let (shop, back) = (Web::start("shop"), Web::start("back"));
    let proxy = Proxy::with(CHOSEN_BY_HEADER, &[("shop", shop.address()), ("back", back.address())]);
    for name in ["x-tenant", "X-Tenant", "X_TENANT", "x.tenant"] {
        let mut client = proxy.connect("web");
        client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n");
        client.send(format!("x-sum: 1\r\n{name}: red\r\n\r\n"));
        let echo = client.response().echo();
        assert!(echo.has_trailer("x-sum: 1") && !echo.has_trailer(&format!("{name}: red")), "{echo:?}");
    }
}

/// An appended line stood beside the client's own, and the service took the first.
#[test]
fn what_a_route_appends_of_who_calls_replaces_what_the_client_says() {
    let web = Web::start("a");
    let proxy = Proxy::with(EDITED, &[("shop", web.address())]);
    let echo = proxy
        .get("web", "/")
        .header("X-User", "root")
        .header("x_user", "root")
        .header("x-tag", "client")
        .expects(200)
        .echo();
    assert_eq!((echo.all("x-user"), echo.all("x_user")), (vec!["guest"], vec![]));
    assert_eq!(echo.all("x-tag"), ["client", "proxy"], "other headers are appended to");
}
