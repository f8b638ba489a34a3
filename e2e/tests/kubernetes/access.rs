//! How the API is reached: as a pod does with its service account, by all that a kubeconfig can say, in plain HTTP; and what
//! happens when tokens and authorities change or the network is cut (issue 7, point 2).

mod authorities;
mod bed;
mod cut;
mod rotation;
mod ways;
