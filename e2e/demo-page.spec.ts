/** The demo page for its visitors: by keyboard, by screen reader, on a phone, in light and dark. */
import { expect, test } from "./support/fixtures.ts";

test.describe("the demo page", { tag: "@split-source" }, () => {
  test("is worked by keyboard alone", async ({ cluster, demo, page }) => {
    void cluster;
    await demo.play();
    await demo.waitForProgress(3);
    const video = page.locator("video");

    await page.keyboard.press("Space");
    await expect(video).toHaveJSProperty("paused", true);
    await page.keyboard.press("k");
    await expect(video).toHaveJSProperty("paused", false);
    await page.keyboard.press("m");
    await expect(video).toHaveJSProperty("muted", false);
    await expect(page.locator("#mute")).toHaveText("Mute");
    await page.keyboard.press("m");
    await expect(video).toHaveJSProperty("muted", true);

    const position = () => page.evaluate(() => globalThis.player.positionMs ?? 0);
    const slider = page.getByRole("slider", { name: "Position in the broadcast" });
    await slider.focus();
    const before = await position();
    await slider.press("Home");
    await demo.waitForState("rewound");
    expect(await position()).toBeLessThan(before);
    await expect(slider).toHaveAttribute("aria-valuetext", /behind live/);
    await slider.press("End");
    await demo.waitForState("live");
    await expect(slider).toHaveAttribute("aria-valuetext", /live edge/);

    // Every control can be reached, in the order in which it is read, with its focus to be seen.
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
    const reached: string[] = [];
    for (let press = 0; press < 24; press++) {
      await page.keyboard.press("Tab");
      reached.push(
        await page.evaluate(
          () => document.activeElement?.id || (document.activeElement?.getAttribute("aria-label") ?? ""),
        ),
      );
    }
    for (const control of [
      "play",
      "back",
      "live",
      "mute",
      "volume",
      "fullscreen",
      "Stop A",
      "How relay A behaves",
      "Stop M",
    ]) {
      expect(reached).toContain(control);
    }
  });

  test("tells a screen reader what everything is and what happens", async ({ cluster, demo, page }) => {
    void cluster;
    await demo.play();
    await expect(page.getByRole("main")).toBeVisible();
    await expect(page.getByRole("region", { name: "Player" })).toBeVisible();
    for (const name of ["Sources", "What is playing", "What happened"]) {
      await expect(page.getByRole("region", { name })).toBeVisible();
    }
    await expect(page.getByLabel("Live broadcast")).toBeVisible();
    await expect(page.getByRole("slider", { name: "Volume" })).toBeVisible();
    const slider = page.getByRole("slider", { name: "Position in the broadcast" });
    await expect.poll(async () => Number(await slider.getAttribute("aria-valuemax"))).toBeGreaterThan(0);
    await expect(slider).toHaveAttribute("aria-valuetext", /\d/);
    await expect(page.getByRole("log")).toContainText("live edge");
    await expect(page.getByRole("log")).toHaveAttribute("aria-live", "polite");
    await expect(page.locator("#notice")).toHaveAttribute("role", "alert");
    // Nothing that can be pressed is without a name.
    const unnamed = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>("button, select, input, [role=slider]")]
        .filter((element) => (element.getAttribute("aria-label") ?? element.textContent ?? "").trim() === "")
        .map((element) => element.outerHTML),
    );
    expect(unnamed).toEqual([]);
  });

  test("fits a phone, in light and in dark", async ({ cluster, demo, page }, testInfo) => {
    void cluster;
    await page.setViewportSize({ width: 375, height: 812 });
    await demo.play();
    await demo.waitForProgress(1);
    const theme = page.getByRole("button", { name: "Switch between light and dark" });
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const grounds: string[] = [];
    for (const size of [
      { name: "phone", width: 375, height: 812 },
      { name: "desk", width: 1280, height: 860 },
    ]) {
      await page.setViewportSize(size);
      for (const mode of ["first", "other"]) {
        grounds.push(await ground());
        const overflow = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        expect(overflow, `pixels beside a ${size.name}`).toBe(0);
        await page.screenshot({ path: testInfo.outputPath(`${size.name}-${mode}.png`), fullPage: true });
        await theme.click();
      }
    }
    expect(new Set(grounds).size).toBe(2);
  });
});
