// In the page before anything else: notes what runs and what the policy had to stop.

(() => {
  const seen = (window.seen = []);
  window.hacked = () => seen.push("hacked");
  for (const name of ["alert", "confirm", "open", "print"]) window[name] = () => seen.push(name);
  document.addEventListener("securitypolicyviolation", (event) => {
    seen.push(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.target.outerHTML ?? ""}`);
  });
})();
