//! The logout.

use http::StatusCode;

use super::{
    Pages, Visit,
    answer::Answer,
    form::{self, Action},
    html,
};
use crate::cookie::Cookie;

impl Pages {
    /// `GET logout`: asks, and changes nothing: any page on the web can make a browser do a GET.
    pub(super) async fn ask_to_log_out(&self, visit: &Visit<'_>) -> Answer {
        let Ok(standing) = self.who(visit).await else {
            return Answer::html(StatusCode::OK, html::logged_out());
        };
        let site = visit.context.site;
        match form::open(self.sessions.seal(), visit.headers, site, Action::LogOut, visit.now) {
            Some(opened) => Answer::html(StatusCode::OK, html::log_out(&standing.principal, &opened.token))
                .with_form()
                .cookie(opened.cookie),
            None => unavailable(),
        }
    }

    /// `POST logout`: ends the session here, then at the provider.
    pub(super) async fn log_out(&self, visit: &Visit<'_>) -> Answer {
        let site = visit.context.site;
        let seal = self.sessions.seal();
        if let Err(why) = form::accept(seal, visit.headers, visit.body, site, Action::LogOut, visit.now) {
            tracing::info!(source = ?visit.context.source, why, "a logout form was refused");
            let what = "The form was open for too long, or it was not sent from this page.";
            return Answer::html(StatusCode::FORBIDDEN, html::problem("You are still logged in", what, None));
        }
        match self.sessions.end_by_cookie(&visit.presented()).await {
            Ok(ended) => {
                let provider = ended.as_ref().and_then(|ended| self.oidc(&ended.provider));
                let elsewhere = match (provider, &ended) {
                    (Some(provider), Some(ended)) => provider.end_session(site, ended.id_token.as_ref()).await,
                    _ => None,
                };
                let answer = match elsewhere {
                    Some(address) => Answer::see_other(&address),
                    None => Answer::html(StatusCode::OK, html::logged_out()),
                };
                answer.cookie(Cookie::Session.clear(site))
            }
            Err(error) => {
                tracing::warn!(%error, "a session was ended here, but not in the store");
                unavailable().cookie(Cookie::Session.clear(site))
            }
        }
    }
}

fn unavailable() -> Answer {
    let what = "The store does not answer, so that the logout may not hold everywhere. Try again in a moment.";
    Answer::html(StatusCode::SERVICE_UNAVAILABLE, html::problem("Logging out was not possible", what, None))
}
