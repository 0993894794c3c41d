import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome", "msedge"];

const PLACES = [
  "/usr/bin",
  "/usr/local/bin",
  "/snap/bin",
  "/Applications/Google Chrome.app/Contents/MacOS",
  "/Applications/Chromium.app/Contents/MacOS",
];

/** Starts the Chromium of this machine, or the one that CHROMIUM names. @throws where there is none, with how to get one */
export async function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || findBrowser(),
    headless: true,
    args: [
      // Builds run as root, for whom Chromium has no sandbox; what it shows is our own.
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
    ],
  });
}

function findBrowser(): string {
  const folders = [...(process.env.PATH ?? "").split(delimiter).filter(Boolean), ...PLACES];
  const names = [...NAMES, "Google Chrome", "Chromium"];
  const found = folders
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
  if (found) return found;
  throw new Error(
    "There is no Chromium on this machine, and the pages are tested in one. Install it (Debian, Ubuntu: apt-get install chromium; macOS: brew install --cask chromium; Amazon Linux: a chrome of https://googlechromelabs.github.io/chrome-for-testing), or name one: CHROMIUM=/path/to/chrome",
  );
}
