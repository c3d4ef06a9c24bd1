//! The login: choosing a provider, or typing a name and a password.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};

use super::{
    Pages, PeopleProvider, ReturnTo, Visit,
    answer::Answer,
    form::{self, Action},
    html::{self, Choice, PasswordForm},
};
use crate::{
    Secret,
    local::{LocalProvider, LocalRefusal},
    session::{Login, SessionError},
};

/// What a form shows again after a mistake.
#[derive(Default)]
struct Mistake<'a> {
    provider: Option<&'a str>,
    user: &'a str,
    error: Option<&'a str>,
}

impl Pages {
    /// `GET login?to=PATH&provider=NAME`
    pub(super) async fn login(&self, visit: &Visit<'_>) -> Answer {
        let to = visit.query.return_to();
        let named = visit.query.field("provider");
        let mut offered = self.offered(visit.context).filter(|provider| is_meant(provider, named.as_deref()));
        // Where there is nothing to choose, nobody is asked to.
        if let (Some(PeopleProvider::Oidc(provider)), None) = (offered.next(), offered.next()) {
            return self.start(visit, provider, &to).await;
        }
        let mistake = Mistake { provider: named.as_deref(), ..Mistake::default() };
        self.login_page(visit, &to, &mistake, StatusCode::OK)
    }

    /// `POST login` with `user` and `password`
    pub(super) async fn log_in_with_password(&self, visit: &Visit<'_>) -> Answer {
        let context = visit.context;
        let seal = self.sessions.seal();
        let form = match form::accept(seal, visit.headers, visit.body, context.site, Action::LogIn, visit.now) {
            Ok(form) => form,
            Err(why) => {
                tracing::info!(source = ?context.source, why, "a login form was refused");
                let what = "The form was open for too long, or it was not sent from this page.";
                let page = html::problem("Please log in again", what, Some(&ReturnTo::root()));
                return Answer::html(StatusCode::FORBIDDEN, page);
            }
        };
        let to = form.field("to").and_then(ReturnTo::parse).unwrap_or_else(ReturnTo::root);
        let user: String = form.field("user").unwrap_or_default().trim().chars().take(128).collect();
        let password = Secret::new(form.field("password").unwrap_or_default());
        let Some(provider) = form.field("provider").and_then(|name| self.offered_local(visit, name)) else {
            return no_way_in();
        };
        match provider.check(&user, password, context.source).await {
            Ok(login) => self.begin(visit, login, &to).await,
            Err(refusal) => {
                tracing::info!(provider = %provider.name(), ?user, source = ?context.source, %refusal, "login refused");
                self.refuse(visit, &to, provider, &user, &refusal)
            }
        }
    }

    /// Begins the session of somebody who has proven who they are, and sends them to where they wanted to go.
    pub(super) async fn begin(&self, visit: &Visit<'_>, login: Login, to: &ReturnTo) -> Answer {
        let context = visit.context;
        let (name, provider) = (login.principal.name.clone(), Arc::clone(&login.principal.provider));
        match self.sessions.begin(login, context.site, visit.session()).await {
            Ok(begun) => {
                tracing::info!(%provider, %name, source = ?context.source, basis = ?begun.standing.basis, "logged in");
                Answer::see_other(to.as_str()).cookie(Some(begun.cookie))
            }
            Err(error) => {
                tracing::warn!(%provider, %name, %error, "somebody could not be logged in");
                let what = match error {
                    SessionError::Full(_) => "Too many people are logged in. Try again later.",
                    SessionError::Vault(_) | SessionError::Seal => "The login can not be kept at this moment.",
                };
                let page = html::problem("Logging in is not possible now", what, Some(to));
                Answer::html(StatusCode::SERVICE_UNAVAILABLE, page)
            }
        }
    }

    fn login_page(&self, visit: &Visit<'_>, to: &ReturnTo, mistake: &Mistake<'_>, status: StatusCode) -> Answer {
        let context = visit.context;
        let mut local = None;
        let mut choices = Vec::new();
        for provider in self.offered(context) {
            match provider {
                PeopleProvider::Local(provider) => local = local.or(Some(provider)),
                PeopleProvider::Oidc(provider) => choices.push(Choice { name: provider.name() }),
            }
        }
        let is_meant = |provider| is_meant(provider, mistake.provider);
        if !self.offered(context).any(is_meant) {
            return no_way_in();
        }
        let opened = form::open(self.sessions.seal(), visit.headers, context.site, Action::LogIn, visit.now);
        let Some(opened) = opened else { return no_way_in() };
        let form =
            local.map(|provider| PasswordForm { provider: provider.name(), token: &opened.token, user: mistake.user });
        let page = html::login(context.site.host(), &choices, form.as_ref(), to, mistake.error);
        Answer::html(status, page).with_form().cookie(opened.cookie)
    }

    fn refuse(
        &self,
        visit: &Visit<'_>,
        to: &ReturnTo,
        provider: &LocalProvider,
        user: &str,
        refusal: &LocalRefusal,
    ) -> Answer {
        let (status, wait) = match refusal {
            LocalRefusal::Wrong => (StatusCode::FORBIDDEN, None),
            LocalRefusal::Later(wait) => (StatusCode::TOO_MANY_REQUESTS, Some(wait.as_secs().max(1))),
            LocalRefusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, Some(1)),
            LocalRefusal::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, None),
        };
        let error = match (refusal, wait) {
            (LocalRefusal::Wrong, _) => "The name or the password is wrong.".to_owned(),
            (LocalRefusal::Later(_), Some(wait)) => {
                format!("There were too many wrong passwords. Try again in {wait} seconds.")
            }
            (LocalRefusal::Busy, _) => "Many people log in at this moment. Try again.".to_owned(),
            _ => "Passwords can not be checked at this moment. Try again later.".to_owned(),
        };
        let mistake = Mistake { provider: Some(provider.name()), user, error: Some(&error) };
        let answer = self.login_page(visit, to, &mistake, status);
        match wait {
            Some(wait) => answer.with(header::RETRY_AFTER, HeaderValue::from(wait)),
            None => answer,
        }
    }

    fn offered_local<'a>(&'a self, visit: &'a Visit<'_>, name: &str) -> Option<&'a LocalProvider> {
        self.offered(visit.context).find_map(|provider| match provider {
            PeopleProvider::Local(provider) if **provider.name() == *name => Some(&**provider),
            _ => None,
        })
    }
}

fn is_meant(provider: &PeopleProvider, name: Option<&str>) -> bool {
    name.is_none_or(|name| **provider.name() == *name)
}

fn no_way_in() -> Answer {
    let what = "There is no way to log in at this address.";
    Answer::html(StatusCode::NOT_FOUND, html::problem("No login here", what, None))
}
