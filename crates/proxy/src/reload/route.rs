//! `/admin/reload`: POST asks for a reload and tells what has changed, or what is wrong; GET tells what the last attempt
//! came to.

use super::{Outcome, Reloads};
use admin::{Method, Response, Routes, StatusCode, status, text};

const PATH: &str = "/admin/reload";
const METHODS: &[Method] = &[Method::GET, Method::HEAD, Method::POST];

/// Adds it.
pub(crate) fn add(routes: Routes, reloads: &Reloads) -> Routes {
    let reloads = reloads.clone();
    routes.route_async(PATH, METHODS, move |request| {
        let reloads = reloads.clone();
        async move {
            if request.method() == Method::POST {
                return answer(&reloads.ask("the admin server").await);
            }
            let last = reloads.book.last.lock().clone();
            last.map_or_else(|| text("not reloaded since the start\n"), |last| answer(&last))
        }
    })
}

/// 200 with the differences, or 400 with the faults.
fn answer(outcome: &Outcome) -> Response {
    match outcome {
        Ok(reloaded) => text(reloaded.to_string()),
        Err(why) => status(StatusCode::BAD_REQUEST, format!("{}\n", why.trim_end())),
    }
}
