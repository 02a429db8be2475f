// @ts-check
// Everything that runs in the browser, one module a concern.

import "./ages.js";
import "./await.js";
import "./copy.js";
import "./dialogs.js";
import "./graph.js";
import "./gutter.js";
import "./images.js";
import "./json.js";
import "./keys.js";
import "./live.js";
import "./marks.js";
import "./menus.js";
import "./overview.js";
import "./palette.js";
import "./peek.js";
import "./query.js";
import "./scores.js";
import "./selection.js";
import "./span-panel.js";
import "./table.js";
import "./tabs.js";
import "./text.js";
import "./theme-toggle.js";
import "./views.js";
import "./waterfall.js";
