//! The servers of one nginx, and what surrounds a directive.

use std::{cell::OnceCell, collections::HashMap, rc::Rc};

use super::{access::Sources, lexer::Word, listen::Listen, tree::Directive};
use crate::inputs::FileId;

/// One nginx: a main file with all that it includes, or parts that belong together.
#[derive(Debug)]
pub(crate) struct Instance {
    /// The main file, or the first part.
    pub(crate) root: FileId,
    pub(crate) directives: Vec<Directive>,
    /// Whether another tool decides which directives there are.
    pub(crate) templated: bool,
}

/// Which part of nginx a server is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Layer {
    Http,
    Stream,
    Mail,
}

/// A block and the blocks around it, with what is looked up in them again and again.
#[derive(Debug, Clone)]
pub(crate) struct Chain<'a>(Rc<Link<'a>>);

#[derive(Debug)]
struct Link<'a> {
    directive: &'a Directive,
    outer: Option<Chain<'a>>,
    /// The last directive of each name in the block.
    settings: HashMap<&'a str, &'a Directive>,
    /// What its `allow` and `deny` lines come to, once it was asked for.
    sources: OnceCell<Sources>,
}

/// A `server` block.
#[derive(Debug)]
pub(crate) struct Server<'a> {
    pub(crate) layer: Layer,
    pub(crate) chain: Chain<'a>,
    pub(crate) listens: Vec<Listen<'a>>,
}

/// A `upstream` block.
#[derive(Debug)]
pub(crate) struct Upstream<'a> {
    pub(crate) name: &'a str,
    /// The addresses of its `server` lines.
    pub(crate) servers: Vec<&'a Word>,
}

impl<'a> Chain<'a> {
    /// Nothing around it.
    pub(crate) fn of(directive: &'a Directive) -> Self {
        Self::link(directive, None)
    }

    /// With one more inside.
    pub(crate) fn with(&self, inner: &'a Directive) -> Self {
        Self::link(inner, Some(self.clone()))
    }

    fn link(directive: &'a Directive, outer: Option<Self>) -> Self {
        let settings = directive.inside().iter().map(|inner| (inner.name(), inner)).collect();
        Self(Rc::new(Link { directive, outer, settings, sources: OnceCell::new() }))
    }

    /// The block itself.
    pub(crate) fn last(&self) -> &'a Directive {
        self.0.directive
    }

    /// Innermost first.
    pub(crate) fn links(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |chain| chain.0.outer.as_ref())
    }

    /// A directive of the block itself.
    pub(crate) fn own(&self, name: &str) -> Option<&'a Directive> {
        self.0.settings.get(name).copied()
    }

    /// The nearest directive of this name, as settings are inherited.
    pub(crate) fn setting(&self, name: &str) -> Option<&'a Directive> {
        self.links().find_map(|link| link.own(name))
    }

    /// What the `allow` and `deny` lines that count come to: those of the innermost block that has any.
    pub(crate) fn sources(&self) -> Option<&Sources> {
        let link = self.links().find(|link| link.own("allow").or(link.own("deny")).is_some())?;
        Some(link.0.sources.get_or_init(|| Sources::of(link.last())))
    }

    /// Whether a part of it could not be read.
    pub(crate) fn has_gap(&self) -> bool {
        self.setting("include").is_some()
    }
}

impl<'a> Server<'a> {
    pub(crate) fn directive(&self) -> &'a Directive {
        self.chain.last()
    }

    /// The words of its `server_name` lines.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a Word> {
        self.directive().inside().iter().filter(|line| line.name() == "server_name").flat_map(Directive::arguments)
    }

    /// For people: "server `example.com`".
    pub(crate) fn title(&self) -> String {
        match self.names().find(|name| !matches!(name.text.as_str(), "_" | "")) {
            Some(name) => format!("server `{}`", name.text),
            None => match self.listens.first() {
                Some(listen) => format!("the server on `{}`", listen.text()),
                None => "a server".to_owned(),
            },
        }
    }

    /// Calls back for each block in it that requests can be in: itself, locations, `if`s. Outermost first.
    pub(crate) fn visit(&self, mut each: impl FnMut(&Chain<'a>)) {
        visit(&self.chain, &mut each);
    }
}

fn visit<'a>(chain: &Chain<'a>, each: &mut impl FnMut(&Chain<'a>)) {
    each(chain);
    for inner in chain.last().all(&["location", "if", "limit_except"]) {
        visit(&chain.with(inner), each);
    }
}

impl Instance {
    /// All servers, in the order of the files.
    pub(crate) fn servers(&self) -> Vec<Server<'_>> {
        let mut servers = Vec::new();
        for directive in &self.directives {
            match directive.name() {
                "http" => collect(Layer::Http, &Chain::of(directive), &mut servers),
                "stream" => collect(Layer::Stream, &Chain::of(directive), &mut servers),
                "mail" => collect(Layer::Mail, &Chain::of(directive), &mut servers),
                // A part that the main file includes in one of its blocks.
                "server" if directive.block.is_some() => {
                    servers.push(server(guessed_layer(directive), Chain::of(directive)));
                }
                _ => {}
            }
        }
        servers
    }

    /// Whether the main file is there, so that nothing that counts is said elsewhere.
    pub(crate) fn is_whole(&self) -> bool {
        self.directives.iter().any(|directive| matches!(directive.name(), "http" | "stream" | "mail" | "events"))
    }

    /// All `upstream` blocks.
    pub(crate) fn upstreams(&self) -> Vec<Upstream<'_>> {
        self.shared(&["upstream"])
            .map(|block| Upstream {
                name: block.text(1),
                servers: block.all(&["server"]).filter_map(|line| line.words.get(1)).collect(),
            })
            .collect()
    }

    /// Directives of the outer blocks: `upstream`, `map`, `resolver` and the like.
    pub(crate) fn shared<'a>(&'a self, names: &'a [&'a str]) -> impl Iterator<Item = &'a Directive> {
        let is_outer = |directive: &&Directive| matches!(directive.name(), "http" | "stream" | "mail");
        let inside = self.directives.iter().filter(is_outer).flat_map(Directive::inside);
        self.directives.iter().chain(inside).filter(move |directive| names.contains(&directive.name()))
    }
}

fn collect<'a>(layer: Layer, chain: &Chain<'a>, servers: &mut Vec<Server<'a>>) {
    for directive in chain.last().all(&["server"]) {
        servers.push(server(layer, chain.with(directive)));
    }
}

fn server(layer: Layer, chain: Chain<'_>) -> Server<'_> {
    let directive = chain.last();
    let mut listens: Vec<Listen<'_>> = directive.all(&["listen"]).filter_map(Listen::of).collect();
    if listens.is_empty() && layer == Layer::Http && directive.one("include").is_none() {
        listens.push(Listen::implied(directive));
    }
    Server { layer, chain, listens }
}

/// Only streams pass on from the server itself.
fn guessed_layer(server: &Directive) -> Layer {
    let passes = server.one("proxy_pass").is_some_and(|line| !line.text(1).contains("://"));
    let speaks_http = server.all(&["location", "server_name", "root", "return", "index"]).next().is_some();
    if passes && !speaks_http { Layer::Stream } else { Layer::Http }
}
