import { type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** Chromium, as a test uses it. */
export interface TestBrowser {
  /** A page in a context of its own: another person, as far as a server can tell. What waits there waits 25 s at most. */
  newPage(options?: BrowserContextOptions): Promise<TestPage>;
  /** Ends the browser and all its pages. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A page, and what went wrong on it. */
export interface TestPage extends AsyncDisposable {
  readonly page: Page;
  /** Exceptions that nobody caught, and lines of the console that are errors. */
  readonly errors: string[];
}

const DEADLINE_MS = 25_000;
const FLAGS = [
  // Chromium refuses its sandbox to root, as which tests may run in a container.
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * Starts Chromium without a window. `executablePath` is the program, as `requires("chromium").path` gives it; `flags` are more
 * of its own.
 */
export async function openBrowser(executablePath: string, flags: readonly string[] = []): Promise<TestBrowser> {
  const browser = await chromium.launch({ executablePath, args: [...FLAGS, ...flags], timeout: 30_000 });
  return {
    async newPage(options) {
      const context = await browser.newContext(options);
      context.setDefaultTimeout(DEADLINE_MS);
      const page = await context.newPage();
      const errors: string[] = [];
      page.on("pageerror", (error) => errors.push(error.message));
      page.on("console", (line) => line.type() === "error" && errors.push(line.text()));
      return { page, errors, [Symbol.asyncDispose]: () => context.close() };
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}
