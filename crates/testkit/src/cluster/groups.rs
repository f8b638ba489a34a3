//! The cgroups of a cluster's nodes: below the group the test itself runs in, in each hierarchy, for its own processes only.

use std::fs;

/// One hierarchy (cgroups v1), as it is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// Where its root is mounted.
    mount: String,
    /// What `mount -o` wants for it: `cpu,cpuacct`, `none,name=systemd`.
    options: String,
    /// The group of this process, beginning with a slash.
    own: String,
}

impl Hierarchy {
    /// Those this process is in.
    ///
    /// # Errors
    /// Why nodes cannot have groups here.
    pub(super) fn all() -> Result<Vec<Hierarchy>, String> {
        let read = |file: &str| fs::read_to_string(file).map_err(|e| format!("{file}: {e}"));
        let all = of(&read("/proc/self/cgroup")?, &read("/proc/mounts")?);
        let missing = ["memory", "pids", "cpu", "cpuset"].into_iter().find(|c| !all.iter().any(|h| h.has(c)));
        match missing {
            Some(missing) => Err(format!("there is no cgroup (v1) hierarchy `{missing}` here")),
            None => Ok(all),
        }
    }

    fn has(&self, controller: &str) -> bool {
        self.options.split(',').any(|o| o == controller)
    }

    /// The group of a cluster.
    fn of_cluster(&self, cluster: &str) -> String {
        format!("{}{}/{cluster}", self.mount, self.own.trim_end_matches('/'))
    }

    /// Makes a node's group and puts the shell that runs this into it.
    pub(super) fn join(&self, cluster: &str, node: &str) -> String {
        let (parent, cluster) = (format!("{}{}", self.mount, self.own), self.of_cluster(cluster));
        let mut script = format!("mkdir -p {cluster}/{node}\n");
        if self.has("cpuset") {
            // A fresh one has neither processors nor memory, and takes no process.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                script += &format!(
                    "cat {parent}/{file} >{cluster}/{file}\ncat {parent}/{file} >{cluster}/{node}/{file}\n"
                );
            }
        }
        script + &format!("echo $$ >{cluster}/{node}/cgroup.procs\n")
    }

    /// Mounts it in a node, where its own group is the root.
    pub(super) fn mount(&self) -> String {
        let at = format!("/sys/fs/cgroup/{}", self.options.trim_start_matches("none,name="));
        format!("mkdir -p {at}\nmount -t cgroup -o {} cgroup {at}\n", self.options)
    }

    /// Removes the cluster's groups once their processes are gone.
    pub(super) fn remove(&self, cluster: &str) -> String {
        let group = self.of_cluster(cluster);
        format!(
            "turns=0\nwhile [ -d {group} ] && [ $turns -lt 200 ]; do\n\
             find {group} -depth -type d -exec rmdir {{}} + 2>/dev/null && break\nturns=$((turns+1))\nsleep 0.05\ndone\n"
        )
    }
}

/// From the texts of `/proc/self/cgroup` and `/proc/mounts`.
fn of(groups: &str, mounts: &str) -> Vec<Hierarchy> {
    let one = |line: &str| {
        let mut words = line.splitn(3, ':');
        let (_, controllers, own) = (words.next()?, words.next()?, words.next()?);
        let mount = mounts.lines().find_map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            let has = |c: &str| words.get(3).is_some_and(|options| options.split(',').any(|o| o == c));
            (words.get(2) == Some(&"cgroup") && controllers.split(',').all(has)).then(|| words[1].to_owned())
        });
        let options = match controllers.strip_prefix("name=") {
            Some(_) => format!("none,{controllers}"),
            None => controllers.to_owned(),
        };
        (!controllers.is_empty()).then_some(Hierarchy { mount: mount?, options, own: own.to_owned() })
    };
    groups.lines().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found_where_they_are_mounted() {
        let groups = "9:name=systemd:/\n4:memory:/a/b\n3:cpu,cpuacct:/\n2:devices:/\n0::/\n";
        let mounts = "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
                      cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n\
                      cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let row = |mount: &str, options: &str, own: &str| Hierarchy {
            mount: mount.to_owned(),
            options: options.to_owned(),
            own: own.to_owned(),
        };
        let expected = [
            row("/sys/fs/cgroup/systemd", "none,name=systemd", "/"),
            row("/sys/fs/cgroup/memory", "memory", "/a/b"),
            row("/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct", "/"),
        ];
        assert_eq!(of(groups, mounts), expected);
        assert_eq!(expected[0].of_cluster("wl1"), "/sys/fs/cgroup/systemd/wl1");
        assert_eq!(expected[1].of_cluster("wl1"), "/sys/fs/cgroup/memory/a/b/wl1");
        assert!(
            expected[0]
                .mount()
                .contains("mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd\n")
        );
    }
}
