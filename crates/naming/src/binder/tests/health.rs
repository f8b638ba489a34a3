//! Whether discovery stands behind what a name is bound to (architecture.md §4: such names do not expire).

use super::*;

/// What is wrong with one dependency.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    TreeFails,
    TreeIsUnknown,
    TreeIsDoubtful,
    AddressesFail,
    AddressesAreUnknown,
    AddressesAreDoubtful,
}

impl Stage {
    fn trouble(&self, name: &str, trouble: Trouble) {
        match trouble {
            Trouble::TreeFails => self.put(name, State::failed("down")),
            Trouble::TreeIsUnknown => self.put(name, State::Pending),
            Trouble::TreeIsDoubtful => self.exists.lock()[&path(name)].doubt(),
            Trouble::AddressesFail => self.serve(name, State::failed("down")),
            Trouble::AddressesAreUnknown => self.serve(name, State::Pending),
            Trouble::AddressesAreDoubtful => self.addresses.lock()[&path(name)].doubt(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_for_is_not_sound_until_it_can() {
    use Trouble::*;
    for trouble in
        [TreeFails, TreeIsUnknown, TreeIsDoubtful, AddressesFail, AddressesAreUnknown, AddressesAreDoubtful]
    {
        let f = fixture("/svc=>/#/t & /$/inet/127.1/9");
        f.stage.up("/web", &[1]);
        f.stage.up("/other", &[2]);
        let (web, other) = (f.bind("/svc/web"), f.bind("/svc/other"));
        web.ready().await;
        other.ready().await;
        settle().await;
        assert!(web.is_sound() && other.is_sound(), "{trouble:?}");
        f.stage.trouble("/web", trouble);
        settle().await;
        assert_eq!(
            web.is_sound(),
            matches!(trouble, TreeIsUnknown),
            "{trouble:?}: of a union the rest is known"
        );
        assert!(other.is_sound(), "{trouble:?} concerns another name");
        f.stage.up("/web", &[1]);
        settle().await;
        assert!(web.is_sound(), "{trouble:?} is over");
        assert_eq!(show(&web), "/#/t/web[1] & /$/inet/127.1/9[9]");
    }
}

/// A name that was never bound loses nothing by being forgotten.
#[tokio::test(start_paused = true)]
async fn what_was_never_known_is_sound() {
    let f = fixture("/svc=>/#/t");
    f.stage.put("/failed", State::failed("down"));
    f.stage.put("/empty", State::Ok(true));
    f.stage.serve("/empty", State::failed("down"));
    let names = ["/svc/failed", "/svc/empty", "/svc/pending"].map(|name| f.bind(name));
    settle().await;
    for binding in &names {
        assert!(binding.is_sound(), "{binding:?}");
    }
    // While the name itself fails after it was known, it is not.
    f.stage.up("/web", &[1]);
    let web = f.bind("/svc/web");
    web.ready().await;
    for state in [State::failed("down"), State::Pending] {
        f.stage.put("/web", state);
        settle().await;
        assert!(!web.is_sound());
    }
    f.stage.put("/web", State::Ok(false));
    settle().await;
    assert!(web.is_sound(), "being gone is an answer");
}
