//! Dtabs in ConfigMaps: whether they are there, can be read, and which Services they name.

use super::api::{Api, items};
use super::dtab;
use super::needs::{ConfigMapNeed, Needs};
use super::report::{Check, Section};
use names::Dtab;

/// A check for each of them, and what they need in turn.
pub(super) async fn check(api: &impl Api, needs: &Needs) -> (Section, Needs) {
    let (mut checks, mut more) = (Vec::new(), Needs::default());
    for map in &needs.config_maps {
        let (check, named) = one(api, map).await;
        checks.push(check);
        more = more.with(named);
    }
    (Section { title: "configmaps", checks }, more)
}

async fn one(api: &impl Api, map: &ConfigMapNeed) -> (Check, Needs) {
    let ConfigMapNeed { namespace, name, key, router, .. } = map;
    let what = format!("ConfigMap {namespace}/{name} has a dtab at {key} for {router}");
    let failed = |found: String, hint: &str| (Check::failed(what.clone(), found, hint), Needs::default());
    let empty = "until it is there, the dtab counts as empty";
    // As the proxy asks: a role for one ConfigMap by its name permits a list of it.
    let path = format!("/api/v1/namespaces/{namespace}/configmaps?fieldSelector=metadata.name%3D{name}");
    let found = match items(api, &path).await.map(|found| found.into_iter().next()) {
        Ok(Some(found)) => found,
        Ok(None) => return failed("there is no such ConfigMap".to_owned(), empty),
        Err(why) => return (Check::warning(what, why, "see the section on rights"), Needs::default()),
    };
    let Some(text) = found["data"][key].as_str() else {
        let there: Vec<&str> =
            found["data"].as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        return failed(format!("it has no such key, only: {}", there.join(", ")), empty);
    };
    match Dtab::parse(text.as_bytes()) {
        Ok(dtab) => {
            let whole = dtab.concat(&map.dtab);
            (Check::good(format!("{what}: {} entries", dtab.len())), dtab::named(&whole, &map.namers, router))
        }
        Err(why) => {
            failed(why.to_string(), "proxies that run keep the last good one; those that start have none")
        }
    }
}
