//! Names of header fields.
//!
//! The proxy looks at some forty fields of every message. An engine classifies each line once, when it parses the head;
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
    Forwarded = "Forwarded",
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
    Location = "Location",
    MaxForwards = "Max-Forwards",
    ProxyAuthenticate = "Proxy-Authenticate",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyConnection = "Proxy-Connection",
    Refresh = "Refresh",
    Te = "TE",
    Trailer = "Trailer",
    TransferEncoding = "Transfer-Encoding",
    Upgrade = "Upgrade",
    Via = "Via",
    XB3Flags = "x-b3-flags",
    XB3ParentSpanId = "x-b3-parentspanid",
    XB3Sampled = "x-b3-sampled",
    XB3SpanId = "x-b3-spanid",
    XB3TraceId = "x-b3-traceid",
    XForwardedClientCert = "x-forwarded-client-cert",
}

impl Known {
    /// The known field spelt `name`, in any case.
    #[must_use]
    #[inline]
    pub fn classify(name: &[u8]) -> Option<Known> {
        let candidate = SLOTS[slot(key(name)?, FACTOR)]?;
        same(candidate.text().as_bytes(), name).then_some(candidate)
    }
}

/// Slots of the table that leads from a name to the one known field it may be.
const SLOT_BITS: u32 = 8;

/// What tells the known names apart: length, first, middle and last byte, without case.
const fn key(name: &[u8]) -> Option<u32> {
    let [first, .., last] = name else { return None };
    let middle = name[name.len() / 2];
    Some(u32::from_le_bytes([*first, middle, *last, 0]) | 0x0020_2020 | (name.len() as u32) << 24)
}

const fn slot(key: u32, factor: u32) -> usize {
    (key.wrapping_mul(factor) >> (u32::BITS - SLOT_BITS)) as usize
}

/// The table for a factor; `None` when two names meet in a slot.
const fn slots(factor: u32) -> Option<[Option<Known>; 1 << SLOT_BITS]> {
    let mut table = [None; 1 << SLOT_BITS];
    let mut i = 0;
    while i < Known::ALL.len() {
        let Some(key) = key(Known::ALL[i].text().as_bytes()) else { return None };
        let at = slot(key, factor);
        if table[at].is_some() {
            return None;
        }
        table[at] = Some(Known::ALL[i]);
        i += 1;
    }
    Some(table)
}

/// An odd factor that gives each known name a slot of its own, found when this is compiled.
const FACTOR: u32 = {
    let mut factor: u32 = 0x9e37_79b9;
    while slots(factor).is_none() {
        factor = factor.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35e);
    }
    factor
};

static SLOTS: [Option<Known>; 1 << SLOT_BITS] = match slots(FACTOR) {
    Some(table) => table,
    None => panic!("the factor was chosen so that there is a table"),
};

/// Whether two spellings, `text` made of letters, digits and `-`, differ in case at most.
#[inline]
fn same(text: &[u8], name: &[u8]) -> bool {
    let len = text.len();
    if len != name.len() || len < 8 {
        return text.eq_ignore_ascii_case(name);
    }
    let mut at = 0;
    loop {
        let (Some(t), Some(n)) = (text[at..].first_chunk::<8>(), name[at..].first_chunk::<8>()) else {
            return false;
        };
        let (t, n) = (u64::from_le_bytes(*t), u64::from_le_bytes(*n));
        // Where `text` has a letter, and only there, the bit that tells the cases apart does not matter.
        let case = (t & 0x4040_4040_4040_4040) >> 1;
        if (t ^ n) & !case != 0 {
            return false;
        }
        if at + 8 == len {
            return true;
        }
        // The last word overlaps the one before it, so that no byte is left over.
        at = (at + 8).min(len - 8);
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
        for &k in Known::ALL {
            for at in 0..k.text().len() {
                // The same lower five bits, another letter, another case of what has none.
                for bit in [0x40, 0x01, 0x80, 0x10] {
                    let mut name = k.text().as_bytes().to_vec();
                    name[at] ^= bit;
                    assert_eq!(Known::classify(&name), None, "{:?}", String::from_utf8_lossy(&name));
                }
            }
            assert_eq!(Known::classify(&k.text().as_bytes()[1..]), None);
        }
    }
}
