//! How `wayleave proxy` comes by another configuration while it runs: it reads the same file again.

use crate::{arguments, check};
use handover::notify::Notifier;
use proxy::ReloadSource;
use std::path::PathBuf;
use std::sync::Arc;

/// What asks for it, and how it is read.
pub(crate) fn source(arguments: &arguments::Proxy, notifier: &Arc<Notifier>) -> ReloadSource {
    let config = arguments.config.clone();
    let from_input = config == "-";
    let watch = (arguments.watch && !from_input).then(|| PathBuf::from(&config));
    let load = move || match from_input {
        true => Err("the configuration came from standard input, which cannot be read again".to_owned()),
        false => check::load(&config).map_err(|refusal| refusal.to_string()),
    };
    let manager = notifier.clone();
    let progress = move |begins: bool| if begins { manager.reloading() } else { manager.ready() };
    ReloadSource { load: Arc::new(load), on_hangup: true, watch, progress: Some(Arc::new(progress)) }
}
