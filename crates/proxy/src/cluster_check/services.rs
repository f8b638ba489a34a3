//! Whether the Services that are named exist, have the ports that are asked for, and somebody behind them.

use super::known::Known;
use super::needs::{Needs, ServiceNeed, Weight};
use super::report::{Check, Section, Verdict};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A check for each Service that is named, and one for each namespace of which only requests tell the Services.
pub(super) fn check(needs: &Needs, known: &Known) -> Section {
    let mut asked: BTreeMap<(&str, &str, &str), Vec<&ServiceNeed>> = BTreeMap::new();
    for need in &needs.services {
        asked.entry((&need.namespace, &need.name, &need.port)).or_default().push(need);
    }
    let mut checks: Vec<Check> = asked.values().map(|needs| one(needs, known)).collect();
    let named: BTreeSet<&str> = needs.services.iter().map(|need| need.namespace.as_str()).collect();
    let others = needs.namespaces.iter().flatten().filter(|namespace| !named.contains(namespace.as_str()));
    checks.extend(others.map(|namespace| whole(namespace, known)));
    Section { title: "services", checks }
}

/// A namespace whose Services requests name.
fn whole(namespace: &str, known: &Known) -> Check {
    let what = format!("namespace {namespace} has Services");
    match known.services(namespace) {
        Ok(services) if services.is_empty() => {
            Check::warning(what, "it has none", "is the dtab's namespace spelt as the cluster's?")
        }
        Ok(_) => Check::good(what),
        Err(why) => Check::warning(what, why, "see the section on rights"),
    }
}

/// Those who ask for one port of one Service; there is at least one.
fn one(needs: &[&ServiceNeed], known: &Known) -> Check {
    let ServiceNeed { namespace, name, port, .. } = needs[0];
    let what = format!("Service {namespace}/{name} has a port {port}");
    let must = needs.iter().any(|need| need.weight == Weight::Must);
    let bad = |found: String, hint: &str| {
        let asking: Vec<&str> = needs.iter().map(|need| need.by.as_str()).collect();
        let found = format!("{found}\nasked for by {}", asking.join("\nasked for by "));
        let mut check = Check::failed(what.clone(), found, hint);
        if !must {
            check.verdict = Verdict::Warning;
        }
        check
    };
    let services = match known.services(namespace) {
        Ok(services) => services,
        Err(why) => return Check::warning(what, why, "see the section on rights"),
    };
    let Some(service) = services.get(name) else {
        let hint = match config::nearest(name, services.keys().map(String::as_str)) {
            Some(near) => format!("there is a Service {near}"),
            None => format!("`kubectl -n {namespace} get services` shows those there are"),
        };
        return bad("there is no such Service".to_owned(), &hint);
    };
    if let Some(found) = wrong_port(service, port) {
        return bad(
            found,
            "in a name `/#/io.l5d.k8s/<namespace>/<port>/<service>`, the port is a port of the Service, by name or by number",
        );
    }
    if needs.iter().any(|need| need.endpoints) {
        served(&what, needs[0], service, known)
    } else {
        Check::good(what)
    }
}

/// What is wrong with the port that is asked for, if anything.
fn wrong_port(service: &Value, wanted: &str) -> Option<String> {
    let ports = service["spec"]["ports"].as_array().cloned().unwrap_or_default();
    let number = wanted.parse::<u64>().ok();
    let is = |port: &Value| {
        let named = port["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
        named || (number.is_some() && port["port"].as_u64() == number)
    };
    let Some(port) = ports.iter().find(|port| is(port)) else {
        let name = |port: &Value| match port["name"].as_str() {
            Some(name) => format!("{name} ({})", port["port"]),
            None => format!("{} (without a name)", port["port"]),
        };
        let there: Vec<String> = ports.iter().map(name).collect();
        let there =
            if there.is_empty() { "it has none".to_owned() } else { format!("it has {}", there.join(", ")) };
        return Some(format!("there is no such port: {there}"));
    };
    let protocol = port["protocol"].as_str().unwrap_or("TCP");
    (protocol != "TCP").then(|| format!("its protocol is {protocol}, not TCP"))
}

/// Whether somebody stands behind a Service that has the port.
fn served(what: &str, need: &ServiceNeed, service: &Value, known: &Known) -> Check {
    if service["spec"]["type"] == "ExternalName" {
        let found =
            format!("it is an ExternalName for {}: it has no endpoints", service["spec"]["externalName"]);
        return Check::warning(what, found, "name the host itself: `/$/inet/<host>/<port>`");
    }
    let place = (need.namespace.clone(), need.name.clone());
    let endpoints = match known.endpoints(&place) {
        Ok(endpoints) => endpoints,
        Err(why) => return Check::warning(what, why, "see the section on rights"),
    };
    let look = format!("`kubectl -n {} get pods,endpointslices` shows why", need.namespace);
    let ready: Vec<_> = endpoints.iter().filter(|endpoint| endpoint.ready).collect();
    if ready.is_empty() {
        let found = format!("none of its {} endpoints is ready", endpoints.len());
        return Check::warning(what, found, look);
    }
    let numbered = need.port.parse::<u16>().is_ok();
    if !numbered
        && !ready
            .iter()
            .any(|endpoint| endpoint.ports.iter().any(|port| port.eq_ignore_ascii_case(&need.port)))
    {
        let found = "none of its endpoints has the port: its targetPort is a name no container has";
        return Check::failed(what, found, look);
    }
    Check::good(format!("{what}, {} endpoints ready", ready.len()))
}
