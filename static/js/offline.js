// The page comes back by itself with the network.
addEventListener("online", () => location.reload());
