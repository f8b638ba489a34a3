// Looks at the pages of a running proxy as a person with a browser does, and as axe-core does. Arguments: the admin
// server's URL, the folder of the npm packages, a folder for pictures. Prints one line for each fault; ends with 1 if
// there are any.
import { createRequire } from "node:module";
import { join } from "node:path";
import { readFileSync } from "node:fs";

const [admin, packages, pictures] = process.argv.slice(2);
const require = createRequire(join(packages, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const faults = [];
const fault = (text) => {
  faults.push(text);
  console.log(`FAULT ${text}`);
};

const SIZES = { wide: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

/** What every page has to be, whatever it shows. */
async function judge(page, name) {
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (over > 0) fault(`${name}: ${over} pixels wider than the window`);
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run());
  for (const { id, impact, nodes } of found.violations) {
    if (["serious", "critical"].includes(impact)) fault(`${name}: axe ${impact} ${id}: ${nodes.map((node) => node.html).slice(0, 3).join(" ")}`);
  }
  if (found.passes.length < 10) fault(`${name}: axe looked at nothing`);
}

/** Waits until a text is there. */
async function expect(page, name, selector, text) {
  const wanted = page.locator(selector).filter({ hasText: text }).first();
  await wanted.waitFor({ timeout: 20000 }).catch(async () => {
    const there = await page.locator(selector).allInnerTexts();
    fault(`${name}: \`${text}\` is not in ${selector}: ${JSON.stringify(there).slice(0, 300)}`);
  });
}

async function dashboard(page, name) {
  await page.goto(`${admin}/`);
  await expect(page, name, "#state", "Live");
  await expect(page, name, "tbody tr:not(.idle)", "svc/web");
  await expect(page, name, "tbody tr:not(.idle)", "#/io.l5d.fs/web");
  await expect(page, name, ".numbers .good", "100.00 %");
  await expect(page, name, "tbody tr", "1 / 1");
  await expect(page, name, "#kubernetes li", /^Kubernetes 127\.0\.0\.1:\d+: 2 watches$/);
  await expect(page, name, "#kubernetes .bad", "2 of 2 watches get no answer; traffic goes by what was last known");
  await judge(page, name);
  await page.getByLabel("Filter").fill("nothing is called so");
  if ((await page.locator("tbody tr:visible").count()) > 0) fault(`${name}: the filter hides nothing`);
  await page.getByLabel("Filter").fill("WEB");
  await expect(page, name, "tbody tr:visible", "svc/web");
}

async function services(page, name) {
  await page.goto(`${admin}/services?router=out`);
  await expect(page, name, "tbody tr:not(.idle)", "svc/web → #/io.l5d.fs/web");
  await judge(page, name);
}

async function dtab(page, name) {
  await page.goto(`${admin}/delegator?router=out#/svc/web`);
  await expect(page, name, "#outcome", "/svc/web: requests are sent to the addresses below");
  await expect(page, name, ".tree .by", "linkerd.yaml:");
  await expect(page, name, ".tree .tag", "wins");
  await judge(page, name);
  // By keyboard alone: another name, another dtab.
  await page.getByLabel("Name").focus();
  await page.keyboard.press("Control+A");
  await page.keyboard.type("/svc/none");
  await page.keyboard.press("Enter");
  await expect(page, name, "#outcome", "nothing that was tried knows the name");
  await page.getByLabel("Dtab", { exact: true }).fill("/svc => /srv | /$/inet/127.0.0.1/1 ;\n/srv => /#/io.l5d.fs ;\n/nobody => /svc ;");
  await expect(page, name, "#edited", "Edited");
  await page.getByRole("button", { name: "Go" }).click();
  await expect(page, name, "#outcome", "requests are sent");
  await expect(page, name, ".tree .tag", "passed over");
  await expect(page, name, ".tree .by", "edited dtab:1:1");
  await judge(page, `${name}-edited`);
  // Whoever is sent the address sees the same.
  const shared = await page.context().newPage();
  watch(shared, `${name}-shared`);
  await shared.goto(page.url());
  await expect(shared, name, "#edited", "Edited");
  await expect(shared, name, "#outcome", "/svc/none: requests are sent");
  await shared.close();
  await page.getByLabel("Dtab", { exact: true }).fill("/svc = /a");
  await page.getByRole("button", { name: "Go" }).click();
  await expect(page, name, "#outcome.error", "base, line 1, column 7");
  await page.getByRole("button", { name: "Reset" }).click();
  await expect(page, name, "#outcome", "nothing that was tried knows the name");
}

async function logging(page, name) {
  await page.goto(`${admin}/logging`);
  await expect(page, name, "tbody th", "root");
  await judge(page, name);
}

async function help(page, name) {
  await page.goto(`${admin}/help`);
  await judge(page, name);
  // The first press of the tabulator leads past the menu.
  await page.keyboard.press("Tab");
  await expect(page, name, ":focus", "Skip to content");
}

/** Nothing may come from elsewhere, nothing may be refused by the page's own policy, no script may fail. */
function watch(page, name) {
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(admin).origin) fault(`${name}: asks ${request.url()}`);
  });
  page.on("pageerror", (error) => fault(`${name}: ${error.message}`));
  page.on("console", (message) => {
    // A refused question is answered with 400, which the browser writes down as well.
    if (message.type() === "error" && !message.text().includes("status of 400")) fault(`${name}: ${message.text()}`);
  });
}

// Playwright gives each launch a fresh folder for the profile.
const launched = await chromium.launch({ executablePath: "/usr/bin/chromium", headless: true, args: flags });
for (const colorScheme of ["light", "dark"]) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    const context = await launched.newContext({ colorScheme, viewport });
    for (const [name, look] of Object.entries({ dashboard, services, dtab, logging, help })) {
      const page = await context.newPage();
      const shown = `${name}-${colorScheme}-${size}`;
      watch(page, shown);
      await look(page, shown).catch((error) => fault(`${shown}: ${error.message}`));
      await page.close();
    }
    await context.close();
  }
}
const version = launched.version();
await launched.close();
console.log(`looked with Chromium ${version}: ${faults.length} faults`);
process.exit(faults.length ? 1 : 0);
