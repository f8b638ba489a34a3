//! The endpoints that make a running service slow or faulty (sample-apps.md §1.2).

use crate::answer::{Reply, Service};
use crate::go;
use hyper::Method;
use hyper::http::request::Parts;

/// Takes a value over or says why not.
type Setter = fn(&Service, &str) -> Result<(), &'static str>;

/// The reply of a control endpoint; `None` when the request is for none of them.
pub(crate) fn answer(service: &Service, request: &Parts) -> Option<Reply> {
    let (parameter, set): (_, Setter) = match request.uri.path() {
        "/setLatency" => ("latency", set_latency),
        "/setFailureRate" => ("failureRate", set_failure_rate),
        _ => return None,
    };
    if request.method != Method::POST {
        return Some(Reply::error(405, "POST required"));
    }
    let query = request.uri.query().unwrap_or_default();
    let Some(value) = go::query_value(query, parameter).filter(|value| !value.is_empty()) else {
        return Some(Reply::error(400, &format!("missing required parameter: {parameter}")));
    };
    Some(match set(service, &value) {
        Ok(()) => Reply::ok("ok"),
        Err(why) => Reply::error(400, why),
    })
}

/// Any duration will do: it is not limited to 10 s, and a negative one means none.
fn set_latency(service: &Service, value: &str) -> Result<(), &'static str> {
    service.set_latency(go::parse_duration(value).ok_or("latency is not a valid duration")?);
    Ok(())
}

fn set_failure_rate(service: &Service, value: &str) -> Result<(), &'static str> {
    let rate = go::parse_float(value).map_err(|_| "failureRate is not a valid float")?;
    if !(0.0..=1.0).contains(&rate) {
        return Err("failureRate must be between 0.0 and 1.0");
    }
    service.set_failure_rate(rate);
    Ok(())
}
