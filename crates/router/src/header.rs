//! Names of header fields.
//!
//! The proxy looks at some thirty fields of every message. An engine classifies each line once, when it parses the head;
//! from then on a field of interest is found by comparing one byte instead of text.

/// Defines [`Known`] with its wire spelling, and [`Known::classify`].
macro_rules! known {
    ($($(#[$doc:meta])* $variant:ident = $text:literal),* $(,)?) => {
        /// A field the proxy itself reads or writes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Known { $($(#[$doc])* #[doc = concat!("`", $text, "`")] $variant),* }

        impl Known {
            /// Every known field.
            pub const ALL: &'static [Known] = &[$(Known::$variant),*];

            /// The spelling used when the proxy writes the field.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Known::$variant => $text),* }
            }
        }
    };
}

known! {
    AcceptEncoding = "Accept-Encoding",
    Connection = "Connection",
    ContentEncoding = "Content-Encoding",
    ContentLength = "Content-Length",
    ContentType = "Content-Type",
    Expect = "Expect",
    FinagleHttpNack = "finagle-http-nack",
    FinagleHttpNonretryableNack = "finagle-http-nonretryable-nack",
    FinagleHttpRetryableRequest = "finagle-http-retryable-request",
    Host = "Host",
    KeepAlive = "Keep-Alive",
    L5dAddContext = "l5d-add-context",
    L5dCtxDeadline = "l5d-ctx-deadline",
    L5dCtxDtab = "l5d-ctx-dtab",
    L5dCtxTrace = "l5d-ctx-trace",
    L5dDstClient = "l5d-dst-client",
    L5dDstResidual = "l5d-dst-residual",
    L5dDstService = "l5d-dst-service",
    L5dDtab = "l5d-dtab",
    L5dErr = "l5d-err",
    L5dReqid = "l5d-reqid",
    L5dRetryable = "l5d-retryable",
    L5dSample = "l5d-sample",
    L5dSuccessClass = "l5d-success-class",
    MaxForwards = "Max-Forwards",
    ProxyAuthenticate = "Proxy-Authenticate",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyConnection = "Proxy-Connection",
    Te = "TE",
    Trailer = "Trailer",
    TransferEncoding = "Transfer-Encoding",
    Upgrade = "Upgrade",
    Via = "Via",
    XForwardedClientCert = "x-forwarded-client-cert",
}

impl Known {
    /// The known field spelt `name`, in any case.
    #[must_use]
    pub fn classify(name: &[u8]) -> Option<Known> {
        use Known as K;
        // Length and first letter leave at most two candidates; the comparison of the whole name decides.
        let candidates: &[K] = match (name.len(), name.first()?.to_ascii_lowercase()) {
            (2, b't') => &[K::Te],
            (3, b'v') => &[K::Via],
            (4, b'h') => &[K::Host],
            (6, b'e') => &[K::Expect],
            (7, b'u') => &[K::Upgrade],
            (7, b't') => &[K::Trailer],
            (7, b'l') => &[K::L5dErr],
            (8, b'l') => &[K::L5dDtab],
            (9, b'l') => &[K::L5dReqid],
            (10, b'l') => &[K::L5dSample],
            (10, b'c') => &[K::Connection],
            (10, b'k') => &[K::KeepAlive],
            (12, b'l') => &[K::L5dCtxDtab],
            (12, b'm') => &[K::MaxForwards],
            (12, b'c') => &[K::ContentType],
            (13, b'l') => &[K::L5dCtxTrace, K::L5dRetryable],
            (14, b'c') => &[K::ContentLength],
            (14, b'l') => &[K::L5dDstClient],
            (15, b'a') => &[K::AcceptEncoding],
            (15, b'l') => &[K::L5dDstService, K::L5dAddContext],
            (16, b'c') => &[K::ContentEncoding],
            (16, b'l') => &[K::L5dCtxDeadline, K::L5dDstResidual],
            (16, b'p') => &[K::ProxyConnection],
            (17, b'l') => &[K::L5dSuccessClass],
            (17, b't') => &[K::TransferEncoding],
            (17, b'f') => &[K::FinagleHttpNack],
            (18, b'p') => &[K::ProxyAuthenticate],
            (19, b'p') => &[K::ProxyAuthorization],
            (23, b'x') => &[K::XForwardedClientCert],
            (30, b'f') => &[K::FinagleHttpNonretryableNack, K::FinagleHttpRetryableRequest],
            _ => return None,
        };
        candidates.iter().copied().find(|k| k.text().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// A field by name: one the proxy knows, or any other (compared without case).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// A field of [`Known`].
    Known(Known),
    /// Any other field; must not be the spelling of a known one.
    Other(&'a [u8]),
}

impl<'a> Name<'a> {
    /// The name as found in a message or a configuration.
    #[must_use]
    pub fn of(text: &'a [u8]) -> Name<'a> {
        Known::classify(text).map_or(Name::Other(text), Name::Known)
    }

    /// The spelling to write.
    #[must_use]
    pub fn text(self) -> &'a [u8] {
        match self {
            Name::Known(k) => k.text().as_bytes(),
            Name::Other(t) => t,
        }
    }
}

impl From<Known> for Name<'_> {
    fn from(k: Known) -> Self {
        Name::Known(k)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_classified_in_any_case() {
        for &k in Known::ALL {
            assert_eq!(Known::classify(k.text().as_bytes()), Some(k), "{}", k.text());
            assert_eq!(Known::classify(k.text().to_ascii_uppercase().as_bytes()), Some(k));
            assert_eq!(Known::classify(k.text().to_ascii_lowercase().as_bytes()), Some(k));
        }
    }

    #[test]
    fn look_alikes_are_not_known() {
        for other in ["", "x", "hosts", "viva", "l5d-ctx-trac", "l5d-ctx-tracf", "content-lengti"] {
            assert_eq!(Known::classify(other.as_bytes()), None, "{other}");
        }
    }
}
