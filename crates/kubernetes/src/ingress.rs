//! Which Ingress objects are meant for us (routing.md §4, walkthroughs.md VIII).

use std::sync::Arc;

use crate::{Ingress, IngressClass};

/// `spec.controller` of the IngressClass objects that are ours.
pub const CONTROLLER: &str = "wayleave.io/ingress-controller";

impl Ingress {
    /// The class it is of, if it says: the annotation goes before the field, as Kubernetes asks of readers.
    #[must_use]
    pub fn class(&self) -> Option<&str> {
        let annotation = self.metadata.annotations.class.as_deref();
        annotation.or(self.spec.ingress_class_name.as_deref())
    }

    /// Whether it counts for those who serve the class `class`: it is of that class, of one of `classes` whose controller we
    /// are, or of none.
    #[must_use]
    pub fn is_for(&self, class: &str, classes: &[Arc<IngressClass>]) -> bool {
        let Some(own) = self.class() else { return true };
        let is_ours =
            |of: &Arc<IngressClass>| &*of.metadata.name == own && &*of.spec.controller == CONTROLLER;
        own == class || classes.iter().any(is_ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str, controller: &str) -> Arc<IngressClass> {
        let text = serde_json::json!({ "metadata": { "name": name }, "spec": { "controller": controller } });
        Arc::new(serde_json::from_value(text).unwrap())
    }

    /// walkthroughs.md VIII.9, and IngressClass objects.
    #[test]
    fn classes() {
        let classes = [class("ours", CONTROLLER), class("nginx", "k8s.io/ingress-nginx")];
        let check = |annotation: Option<&str>, field: Option<&str>, expected: bool| {
            let text = serde_json::json!({
                "metadata": { "name": "x", "annotations": { "kubernetes.io/ingress.class": annotation } },
                "spec": { "ingressClassName": field },
            });
            let ingress: Ingress = serde_json::from_value(text).unwrap();
            assert_eq!(ingress.is_for("linkerd", &classes), expected, "{annotation:?} {field:?}");
        };
        check(None, None, true);
        check(Some("linkerd"), None, true);
        check(None, Some("linkerd"), true);
        check(Some("nginx"), None, false);
        check(None, Some("nginx"), false);
        check(None, Some("ours"), true);
        check(Some("ours"), None, true);
        check(None, Some("unknown"), false);
        check(Some(""), None, false);
        // Both: the annotation.
        check(Some("linkerd"), Some("nginx"), true);
        check(Some("nginx"), Some("linkerd"), false);
    }
}
