//! The replicas of a client as traffic chooses among them: grouped by weight, each group with a balancer of its own.

use super::ClientSettings;
use crate::draw::weighted;
use crate::endpoint::Endpoint;
use balance::{Band, Choice, Nanos, Node as _, Picker};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

/// How often a group is drawn in the hope of one with a replica that is available, before all groups are looked at.
const DRAWS: usize = 5;

/// A replica chosen for an attempt.
#[derive(Debug)]
pub(crate) struct Picked {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) choice: Choice,
    /// The aperture it was chosen through, if there is one.
    pub(crate) band: Option<Arc<Band>>,
}

impl Picked {
    /// Whether it is known that no connection can be made.
    #[inline]
    pub(crate) fn is_marked_down(&self) -> bool {
        self.choice.reconnect.is_none() && self.endpoint.is_marked_down()
    }

    /// Whether it is time to find out if a connection can be made to one that is marked down, which this request then
    /// does. It was chosen because none was available; that its answers, too, speak against it says nothing about its
    /// connects. Otherwise what was claimed for this request is given back: it is not sent.
    #[cold]
    pub(crate) fn reconnects(&mut self, now: Nanos) -> bool {
        self.choice.reconnect = self.endpoint.reach.as_ref().and_then(|reach| reach.begin_probe(now));
        let reconnects = self.choice.reconnect.is_some();
        if !reconnects {
            self.endpoint.release(self.choice.probe.take(), None);
        }
        reconnects
    }
}

/// A replica and its share.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) weight: f64,
}

/// Replicas of the same weight. Their balancer outlives changes of the set.
#[derive(Debug)]
struct Group {
    range: Range<usize>,
    weight: f64,
    picker: Arc<Picker>,
}

impl Group {
    /// How likely it is to be drawn, relative to the others.
    fn share(&self) -> f64 {
        self.weight * self.range.len() as f64
    }
}

/// All replicas of a client, each address once.
#[derive(Debug, Default)]
pub(crate) struct ReplicaSet {
    /// By weight, then by place: a random order that is the same after each change.
    all: Box<[Arc<Endpoint>]>,
    groups: Box<[Group]>,
}

impl ReplicaSet {
    /// The set of these members; balancers of `before` go on where the weight is the same.
    pub(super) fn new(
        mut members: Vec<Member>,
        before: &ReplicaSet,
        settings: &ClientSettings,
    ) -> ReplicaSet {
        let order = |m: &Member| (m.endpoint.place, m.endpoint.address);
        members.sort_by(|a, b| a.weight.total_cmp(&b.weight).then_with(|| order(a).cmp(&order(b))));
        let mut groups: Vec<Group> = Vec::new();
        for (i, member) in members.iter().enumerate() {
            match groups.last_mut() {
                Some(group) if same(group.weight, member.weight) => group.range.end = i + 1,
                _ => groups.push(Group {
                    range: i..i + 1,
                    weight: member.weight,
                    picker: before
                        .picker(member.weight)
                        .unwrap_or_else(|| Arc::new(Picker::new(settings.balancer))),
                }),
            }
        }
        for group in &groups {
            if let Some(band) = group.picker.band() {
                band.resize(group.range.len());
            }
        }
        let all = members.into_iter().map(|m| m.endpoint).collect();
        ReplicaSet { all, groups: groups.into() }
    }

    fn picker(&self, weight: f64) -> Option<Arc<Picker>> {
        self.groups.iter().find(|g| same(g.weight, weight)).map(|g| Arc::clone(&g.picker))
    }

    /// All endpoints.
    pub(crate) fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.all
    }

    /// The endpoints with their weights.
    pub(super) fn members(&self) -> impl Iterator<Item = Member> + '_ {
        let of = |g: &Group| (g.range.clone(), g.weight);
        self.groups.iter().map(of).flat_map(|(range, weight)| {
            self.all[range].iter().map(move |e| Member { endpoint: Arc::clone(e), weight })
        })
    }

    /// The addresses in order, for messages.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let mut all: Vec<_> = self.all.iter().map(|e| e.address).collect();
        all.sort_unstable();
        all
    }

    /// Groups, and those of them without an available endpoint.
    pub(super) fn count_groups(&self, now: Nanos) -> (usize, usize) {
        (self.groups.len(), self.groups.iter().filter(|g| !self.is_open(g, now)).count())
    }

    /// The mean of the weights; 0 of none.
    pub(super) fn mean_weight(&self) -> f64 {
        let sum: f64 = self.groups.iter().map(Group::share).sum();
        sum / self.all.len().max(1) as f64
    }

    /// The width and the offered load of the aperture, over all groups.
    pub(super) fn aperture(&self) -> (f64, f64) {
        let bands = self.groups.iter().filter_map(|g| g.picker.band().map(|band| (g.range.len(), band)));
        bands.fold((0.0, 0.0), |(width, load), (n, band)| {
            (width + band.width(n) as f64, load + band.offered())
        })
    }

    /// A replica for a request.
    #[inline]
    pub(crate) fn choose(&self, now: Nanos, rng: &mut fastrand::Rng) -> Option<Picked> {
        match &*self.groups {
            [] => None,
            [all] => self.choose_in(all, now, rng),
            groups => self.choose_by_weight(groups, now, rng),
        }
    }

    /// A replica for a request that could not use those in `tried`: any other while one is available, else any at all.
    pub(crate) fn choose_other(&self, tried: &[u64], now: Nanos, rng: &mut fastrand::Rng) -> Option<Picked> {
        let fresh = |e: &&Arc<Endpoint>| !tried.contains(&e.id) && e.is_available(now);
        let others: Vec<(&Group, Vec<Arc<Endpoint>>)> = self
            .groups
            .iter()
            .map(|group| (group, self.all[group.range.clone()].iter().filter(fresh).cloned().collect()))
            .filter(|(_, fresh): &(_, Vec<_>)| !fresh.is_empty())
            .collect();
        let shares = || others.iter().map(|(group, fresh)| group.weight * fresh.len() as f64);
        match others.get(weighted(shares, others.len(), rng)) {
            Some((group, fresh)) => picked(fresh, &group.picker, now, rng),
            None => self.choose(now, rng),
        }
    }

    #[inline]
    fn choose_in(&self, group: &Group, now: Nanos, rng: &mut fastrand::Rng) -> Option<Picked> {
        picked(&self.all[group.range.clone()], &group.picker, now, rng)
    }

    /// Draws a group by its share and chooses there; an available replica of any group before one that is not.
    fn choose_by_weight(&self, groups: &[Group], now: Nanos, rng: &mut fastrand::Rng) -> Option<Picked> {
        for _ in 0..DRAWS {
            let drawn = weighted(|| groups.iter().map(Group::share), groups.len(), rng);
            let picked = self.choose_in(&groups[drawn], now, rng)?;
            if picked.choice.available {
                return Some(picked);
            }
        }
        let shares = || groups.iter().map(|g| if self.is_open(g, now) { g.share() } else { 0.0 });
        let drawn = weighted(shares, groups.len(), rng);
        self.choose_in(&groups[drawn], now, rng)
    }

    fn is_open(&self, group: &Group, now: Nanos) -> bool {
        self.all[group.range.clone()].iter().any(|e| e.is_available(now))
    }
}

#[inline]
fn picked(from: &[Arc<Endpoint>], picker: &Picker, now: Nanos, rng: &mut fastrand::Rng) -> Option<Picked> {
    let choice = picker.choose(from, now, rng)?;
    let endpoint = Arc::clone(&from[choice.index]);
    Some(Picked { endpoint, choice, band: picker.band().cloned() })
}

fn same(a: f64, b: f64) -> bool {
    a.total_cmp(&b).is_eq()
}
