//! From YAML or JSON to the model.
//!
//! Forgiving: what the API server would refuse is read as far as it makes sense, so that a rule can say what is wrong
//! and where; what is not there is left out. Never fails; the only mistakes are those of YAML itself.

mod edge;
mod field;
mod gateway;
mod kustomization;
mod meta;
mod policy;
mod rbac;
mod service;
mod workload;

use super::model::{Declared, Manifests, Standing};
use crate::{
    finding::Finding,
    inputs::{FileId, Inputs, Spanned},
    yaml::{self, Node},
};

pub(super) use kustomization::{Kustomization, is_named_so as is_kustomization};

/// What one file says.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) manifests: Manifests,
    pub(super) kustomizations: Vec<Kustomization>,
    /// Where it stops being YAML.
    pub(super) mistake: Option<Finding>,
}

/// Reads a file of manifests.
pub(super) fn read(inputs: &Inputs, file: FileId) -> Reading {
    let parsed = yaml::parse(inputs.text(file), file);
    let mut reading = Reading { mistake: parsed.mistake, ..Reading::default() };
    for document in &parsed.documents {
        if kustomization::is_one(inputs.path(file), document) {
            reading.kustomizations.push(kustomization::read(document, file));
        } else {
            reading.object(document, None);
        }
    }
    reading
}

impl Reading {
    fn object(&mut self, node: &Node<'_>, list: Option<&meta::OfList>) {
        for item in node.items() {
            self.object(item, None);
        }
        let Some(mut meta) = meta::read(node, list) else { return };
        if let (Some(kind), Some(items)) = (meta.kind.strip_suffix("List"), node.get("items")) {
            let kind = Spanned::new(kind.to_owned(), meta.kind.span);
            let list = (!kind.is_empty()).then_some(meta::OfList { kind, group: meta.group });
            for item in items.items() {
                self.object(item, list.as_ref());
            }
            return;
        }
        let (group, kind) = (meta.group.clone(), meta.kind.value.clone());
        let manifests = &mut self.manifests;
        match (group.as_str(), kind.as_str()) {
            ("", "Service") => {
                let spec = service::read(node, &mut manifests.strays);
                if spec.ports.is_empty() && spec.selector.is_none() && spec.external_name.is_none() {
                    meta.standing = Standing::Patch;
                }
                manifests.services.push(Declared { meta, spec });
            }
            ("extensions" | "networking.k8s.io", "Ingress") => {
                let spec = edge::read(node, &meta);
                if spec.rules.is_empty() && spec.default_backend.is_none() {
                    meta.standing = Standing::Patch;
                }
                manifests.ingresses.push(Declared { meta, spec });
            }
            ("extensions" | "networking.k8s.io", "NetworkPolicy") => {
                if let Some(spec) = policy::read(node, &mut manifests.strays) {
                    manifests.policies.push(Declared { meta, spec });
                }
            }
            ("gateway.networking.k8s.io" | "networking.x-k8s.io", "Gateway") => {
                manifests.gateways.push(Declared { meta, spec: gateway::gateway(node) });
            }
            (
                "gateway.networking.k8s.io" | "networking.x-k8s.io",
                "HTTPRoute" | "GRPCRoute" | "TLSRoute" | "TCPRoute" | "UDPRoute",
            ) => manifests.routes.push(Declared { meta, spec: gateway::route(node) }),
            ("networking.istio.io", "Gateway") => {
                manifests.istio_gateways.push(Declared { meta, spec: gateway::istio(node) });
            }
            ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => {
                manifests.roles.push(Declared { meta, spec: rbac::read(node) });
            }
            ("", "Namespace") => manifests.namespaces.push(Declared { meta, spec: () }),
            ("", "Endpoints") | ("discovery.k8s.io", "EndpointSlice") => {
                manifests.endpoints.push(Declared { meta, spec: () });
            }
            ("", "ConfigMap") => {
                let spec = field::texts(node.get("data"));
                manifests.settings.push(Declared { meta, spec });
            }
            ("kubelet.config.k8s.io", "KubeletConfiguration")
            | ("kubeproxy.config.k8s.io", "KubeProxyConfiguration") => {
                manifests.components.push(Declared { meta, spec: field::texts(Some(node)) });
            }
            _ => match workload::read(node, &group, &kind, &mut manifests.strays) {
                Some(spec) => {
                    if workload::is_patch(node) {
                        meta.standing = Standing::Patch;
                    }
                    manifests.workloads.push(Declared { meta, spec });
                }
                None => manifests.others.push(Declared { meta, spec: () }),
            },
        }
    }
}

/// A text and its place, with something to stand for what is missing.
fn or_nothing(text: Option<Spanned<String>>, node: &Node<'_>) -> Spanned<String> {
    text.unwrap_or_else(|| Spanned::new(String::new(), node.span))
}
