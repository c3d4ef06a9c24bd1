//! Whom the peers of a NetworkPolicy mean.

use super::{Cluster, MAX_CANDIDATES, Pods};
use crate::kubernetes::model::{Labels, Meta, Peer, Selector};

/// The label that the API server gives every namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The pods that a peer means, as far as the files tell.
pub(crate) enum PeerPods<'c> {
    /// All of them: the namespaces that are meant are in the files.
    Known(Vec<&'c Pods>),
    /// Namespaces, or addresses, about which the files say nothing.
    Elsewhere,
}

impl Cluster {
    /// The pods that a peer of a policy means.
    pub(crate) fn peer_pods(&self, peer: &Peer, policy: &Meta) -> PeerPods<'_> {
        let Peer::Pods { pods, namespaces } = peer else { return PeerPods::Elsewhere };
        let everything = Selector { span: policy.span, equals: Labels::default(), expressions: Vec::new() };
        let pods = pods.as_ref().unwrap_or(&everything);
        match namespaces {
            None => PeerPods::Known(self.selected(pods, policy)),
            Some(namespaces) if namespaces.is_empty() => PeerPods::Known(self.matching(pods, |_| true)),
            Some(namespaces) => {
                let names = self.namespaces_selected(namespaces);
                if names.is_empty() {
                    return PeerPods::Elsewhere;
                }
                PeerPods::Known(self.matching(pods, |meta| names.iter().any(|name| name == meta.namespace())))
            }
        }
    }

    /// The names of the namespaces in the files that a selector means.
    pub(crate) fn namespaces_selected(&self, selector: &Selector) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let declared = self.manifests.namespaces.iter().take(MAX_CANDIDATES);
        for namespace in declared {
            if selector.matches(&labels(&namespace.meta)) {
                names.push(namespace.meta.name.value.clone());
            }
        }
        for name in self.by_namespace.keys() {
            let labels = Labels(vec![(NAME_LABEL.to_owned(), name.clone())]);
            // Of a namespace that is only used, nothing but its name is known.
            if !names.contains(name) && !selector.equals.0.is_empty() && selector.matches(&labels) {
                names.push(name.clone());
            }
        }
        names
    }

    /// The labels of a namespace, as far as the files tell: its name at least.
    pub(crate) fn labels_of_namespace(&self, name: &str) -> Labels {
        let declared = self.manifests.namespaces.iter().take(MAX_CANDIDATES);
        match declared.into_iter().find(|namespace| *namespace.meta.name == name) {
            Some(namespace) => labels(&namespace.meta),
            None => Labels(vec![(NAME_LABEL.to_owned(), name.to_owned())]),
        }
    }
}

fn labels(namespace: &Meta) -> Labels {
    let mut labels = namespace.labels.clone();
    labels.extend(&Labels(vec![(NAME_LABEL.to_owned(), namespace.name.value.clone())]));
    labels
}
