// The one entry of every page. Each module looks for the marks it serves and does nothing where there are none.
import "./htmx_setup.js";
import "./times.js";
import "./dialogs.js";
import "./panes.js";
import "./keys.js";
import "./composer.js";
import "./drafts.js";
import "./uploads.js";
import "./canned.js";
import "./copy.js";
import "./frames.js";
import "./scroll.js";
import "./selects.js";
import "./tables.js";
import "./rule_rows.js";
import "./live.js";
