//! What our pages look like. Everything that is put into them is escaped by the template language.

use maud::{DOCTYPE, Markup, html};

use super::ReturnTo;
use crate::{Principal, session::Summary};

/// A provider with a page of its own, to choose from.
pub(super) struct Choice<'a> {
    /// Its name in the file.
    pub(super) name: &'a str,
}

/// The form for names and passwords.
pub(super) struct PasswordForm<'a> {
    /// Its provider's name in the file.
    pub(super) provider: &'a str,
    /// The hidden token.
    pub(super) token: &'a str,
    /// What was typed as a name before.
    pub(super) user: &'a str,
}

/// The login.
pub(super) fn login(
    host: &str,
    choices: &[Choice<'_>],
    form: Option<&PasswordForm<'_>>,
    to: &ReturnTo,
    error: Option<&str>,
) -> Markup {
    let title = format!("Log in to {host}");
    page(
        &title,
        &html! {
            @if let Some(error) = error {
                p.error role="alert" id="error" { (error) }
            }
            @if let Some(form) = form {
                form method="post" action="/.portcullis/login" {
                    input type="hidden" name="token" value=(form.token);
                    input type="hidden" name="provider" value=(form.provider);
                    input type="hidden" name="to" value=(to);
                    label for="user" { "Name" }
                    input id="user" name="user" value=(form.user) required autocomplete="username" autocapitalize="none"
                        spellcheck="false" autofocus[form.user.is_empty()] aria-describedby=[error.map(|_| "error")];
                    label for="password" { "Password" }
                    input id="password" name="password" type="password" required autocomplete="current-password"
                        autofocus[!form.user.is_empty()] aria-describedby=[error.map(|_| "error")];
                    button type="submit" { "Log in" }
                }
            }
            @if form.is_some() && !choices.is_empty() {
                p.or { "or" }
            }
            @for choice in choices {
                a.button href={ "/.portcullis/login?provider=" (encoded(choice.name)) "&to=" (to.encoded()) } {
                    "Log in with " (choice.name)
                }
            }
        },
    )
}

/// Asks whether somebody means to log out.
pub(super) fn log_out(principal: &Principal, token: &str) -> Markup {
    page(
        "Log out?",
        &html! {
            p { "You are logged in as " strong { (principal.name) } "." }
            form method="post" action="/.portcullis/logout" {
                input type="hidden" name="token" value=(token);
                button type="submit" autofocus { "Log out" }
            }
            p.or { a href="/" { "Stay logged in" } }
        },
    )
}

/// After a logout.
pub(super) fn logged_out() -> Markup {
    page(
        "You are logged out",
        &html! {
            p { "What was open with this login has been closed." }
            a.button href="/.portcullis/login" { "Log in again" }
        },
    )
}

/// Who somebody is, as far as we know.
pub(super) fn me(principal: &Principal, session: Option<&Summary>) -> Markup {
    page(
        "Who am I",
        &html! {
            dl {
                dt { "Name" } dd { (principal.name) }
                @if let Some(email) = &principal.email { dt { "E-mail" } dd { (email) } }
                dt { "Provider" } dd { (principal.provider) }
                dt { "Groups" }
                dd { @if principal.groups.is_empty() { "none" } @else { (principal.groups.join(", ")) } }
                @if let Some(session) = session {
                    dt { "Ends" } dd { (moment(session.expires)) }
                    dt { "Session" } dd { (session.id) }
                }
            }
            a.button href="/.portcullis/logout" { "Log out" }
        },
    )
}

/// Something went wrong. `what` says what to do.
pub(super) fn problem(title: &str, what: &str, again: Option<&ReturnTo>) -> Markup {
    page(
        title,
        &html! {
            p.error role="alert" { (what) }
            @if let Some(to) = again {
                a.button href={ "/.portcullis/login?to=" (to.encoded()) } { "Try again" }
            }
        },
    )
}

fn page(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="stylesheet" href="/.portcullis/style.css";
            }
            body { main { h1 { (title) } (content) } }
        }
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A time in UTC: `2026-11-21 13:05 UTC`.
fn moment(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|time| time::OffsetDateTime::from_unix_timestamp(time).ok());
    time.map_or_else(
        || "never".to_owned(),
        |time| {
            let (date, hour, minute) = (time.date(), time.hour(), time.minute());
            format!("{}-{:02}-{:02} {hour:02}:{minute:02} UTC", date.year(), u8::from(date.month()), date.day())
        },
    )
}
