//! A person with a browser, as far as logins are about it: it keeps cookies, says where its requests come from, and goes
//! where it is sent.

use std::{collections::BTreeMap, net::SocketAddr};

use super::{Authority, Raw, Request, Response, TlsClient};

/// One browser, at one host of the proxy.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    address: SocketAddr,
    host: String,
    client: Option<TlsClient>,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Person {
    /// Without TLS.
    pub(crate) fn at(address: SocketAddr, host: &str) -> Self {
        Self { address, host: host.to_owned(), client: None, cookies: BTreeMap::new() }
    }

    /// With TLS.
    pub(crate) fn over_tls(authority: &Authority, address: SocketAddr, host: &str) -> Self {
        Self { client: Some(TlsClient::trusting(authority)), ..Self::at(address, host) }
    }

    /// The same browser, which has forgotten everything.
    pub(crate) fn stranger(&self) -> Self {
        Self { cookies: BTreeMap::new(), ..self.clone() }
    }

    /// A connection to the proxy.
    pub(crate) fn connect(&self) -> Raw {
        match &self.client {
            Some(client) => {
                let name = self.host.split(':').next().unwrap_or_default();
                client.connect(self.address, name).unwrap().0
            }
            None => Raw::connect(self.address),
        }
    }

    /// `https://shop.test`
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", if self.client.is_some() { "https" } else { "http" }, self.host)
    }

    /// `Cookie`, as it stands now.
    pub(crate) fn cookie(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// A request with the cookies and nothing else.
    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        let request = Request::new(self.connect(), method, target).header("host", &self.host);
        if self.cookies.is_empty() { request } else { request.header("cookie", &self.cookie()) }
    }

    /// Sends it, and keeps the cookies of the answer.
    #[track_caller]
    pub(crate) fn send(&mut self, request: Request) -> Response {
        let response = request.send();
        for line in response.all("set-cookie") {
            let (name, rest) = line.split_once('=').expect("a cookie has a name");
            let value = rest.split(';').next().unwrap_or_default();
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }

    /// Looks at a page.
    #[track_caller]
    pub(crate) fn look_at(&mut self, target: &str) -> Response {
        let request = self.request("GET", target).header("accept", "text/html").header("sec-fetch-mode", "navigate");
        self.send(request)
    }

    /// What a script of a page asks for.
    #[track_caller]
    pub(crate) fn fetch(&mut self, target: &str) -> Response {
        let request = self.request("GET", target).header("accept", "*/*").header("sec-fetch-mode", "cors");
        self.send(request)
    }

    /// Sends the form of a page that it has just looked at.
    #[track_caller]
    pub(crate) fn submit(&mut self, target: &str, fields: &[(&str, &str)]) -> Response {
        let origin = self.origin();
        let request = self.form(target, fields).header("origin", &origin).header("sec-fetch-site", "same-origin");
        self.send(request)
    }

    /// A form, not yet sent and with no word of where it comes from.
    pub(crate) fn form(&self, target: &str, fields: &[(&str, &str)]) -> Request {
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let kind = "application/x-www-form-urlencoded";
        self.request("POST", target).header("content-type", kind).body(body.join("&"))
    }

    /// From a page that is protected to its login, through the form, and to where that leads.
    #[track_caller]
    pub(crate) fn log_in(&mut self, page: &str, user: &str, password: &str) -> Response {
        let sent = self.look_at(page);
        assert_eq!(sent.status, 302, "{page} needs a login: {}", sent.text());
        let form = self.look_at(sent.header("location").unwrap());
        assert_eq!(form.status, 200, "{}", form.text());
        let fields: Vec<(String, String)> = ["token", "provider", "to"]
            .into_iter()
            .map(|name| (name.to_owned(), hidden(&form, name).unwrap_or_default()))
            .chain([("user".to_owned(), user.to_owned()), ("password".to_owned(), password.to_owned())])
            .collect();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.submit("/.portcullis/login", &fields)
    }

    /// Through the page that asks, out.
    #[track_caller]
    pub(crate) fn log_out(&mut self) -> Response {
        let page = self.look_at("/.portcullis/logout");
        let token = hidden(&page, "token").expect("somebody is logged in");
        self.submit("/.portcullis/logout", &[("token", &token)])
    }
}

/// The value of a hidden field of a page.
pub(crate) fn hidden(page: &Response, name: &str) -> Option<String> {
    let text = page.text();
    let (_, rest) = text.split_once(&format!("type=\"hidden\" name=\"{name}\" value=\""))?;
    let value = rest.split('"').next()?;
    Some(value.replace("&amp;", "&").replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">"))
}

/// As forms encode a value.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
