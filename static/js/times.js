// Times that the server wrote by its own clock, by the clock of who reads them.

import { gettext, language } from "./texts.js";

export const startTimes = () => tellTimes(document);

export function tellTimes(place) {
  for (const time of place.querySelectorAll("time[data-local]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    time.textContent = name(moment);
    time.title = moment.toLocaleString(language);
  }
}

function name(moment) {
  const days = (startOf(new Date()) - startOf(moment)) / 86400000;
  const clock = moment.toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  if (Math.round(days) === 0) return gettext("today at {clock}", { clock });
  if (Math.round(days) === 1) return gettext("yesterday at {clock}", { clock });
  const parts = { weekday: "long", month: "long", day: "numeric" };
  if (days > 6) delete parts.weekday;
  else if (days > 0) { delete parts.month; delete parts.day; }
  if (moment.getFullYear() !== new Date().getFullYear()) parts.year = "numeric";
  return gettext("{day} at {clock}", { day: moment.toLocaleDateString(language, parts), clock });
}

const startOf = (moment) => new Date(moment.getFullYear(), moment.getMonth(), moment.getDate());
