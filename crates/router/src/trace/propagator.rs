//! How trace ids travel from proxy to proxy (`tracePropagator`, dataplane.md §7.5).

use super::{TraceId, b3, sample_rate};
use crate::header::Known;
use crate::seam::Head;
use crate::text::{self, BASE64_MAX};

/// Which fields carry trace ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagator {
    /// `io.l5d.default`: `l5d-ctx-trace`, with `l5d-sample` to decide and `l5d-reqid` to show; B3 fields pass untouched.
    #[default]
    Linkerd,
    /// `io.l5d.zipkin`: the B3 fields, instead of those.
    Zipkin,
}

impl Propagator {
    /// Takes trace id and sampling out of a request and gives the span of this proxy's server. Of a stranger's
    /// (`clearContext`) nothing is believed; its `l5d-*` fields are gone already.
    pub(crate) fn take(
        self,
        head: &mut impl Head,
        stranger: bool,
        salt: u64,
        rng: &mut fastrand::Rng,
    ) -> TraceId {
        let (sent, rate) = self.read(head, stranger);
        let span = rng.u64(..);
        let mut id = sent.map_or_else(|| TraceId::root(span), |parent| parent.child(span));
        if let Some(rate) = rate {
            id.sample(rate, salt);
        }
        id
    }

    /// What the caller says of its span, and at which rate to sample.
    fn read(self, head: &mut impl Head, stranger: bool) -> (Option<TraceId>, Option<f64>) {
        let ctx = head.has(Known::L5dCtxTrace);
        let sample = head.has(Known::L5dSample);
        let read = match self {
            Propagator::Zipkin => b3::take(head, stranger),
            Propagator::Linkerd => (
                head.get(Known::L5dCtxTrace.into()).filter(|_| ctx).and_then(TraceId::decode),
                head.get(Known::L5dSample.into()).filter(|_| sample).and_then(sample_rate),
            ),
        };
        for (name, there) in [(Known::L5dCtxTrace, ctx), (Known::L5dSample, sample)] {
            if there {
                head.remove(name.into());
            }
        }
        read
    }

    /// Adds what all attempts have in common; `id` is the server's span.
    pub(crate) fn announce(self, head: &mut impl Head, id: &TraceId) {
        if self == Propagator::Linkerd {
            head.append(Known::L5dReqid.into(), &text::hex16(id.trace));
        }
    }

    /// Adds the span of one attempt.
    pub(crate) fn write(self, head: &mut impl Head, span: &TraceId) {
        match self {
            Propagator::Linkerd => {
                let mut value = [0; BASE64_MAX];
                let len = span.encode(&mut value);
                head.append(Known::L5dCtxTrace.into(), &value[..len]);
            }
            Propagator::Zipkin => b3::write(head, span),
        }
    }
}
