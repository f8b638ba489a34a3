//! Discovery through a Kubernetes API: one watch engine for every kind of object, the namers over it, dtabs in ConfigMaps,
//! ingress rules. The only room that knows kube.
