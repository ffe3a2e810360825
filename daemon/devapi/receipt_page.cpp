#include "daemon/devapi/receipt_page.hpp"

#include "daemon/devapi/time_text.hpp"

namespace xased::devapi {
namespace {

constexpr std::string_view kHead = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Receipt</title>
<style>
:root { --ink: #14213a; --soft: #5b6780; --line: #dfe4ee; --paper: #fff; --desk: #eef1f7;
        --good: #0b6b47; --good-bg: #e4f5ec; --bad: #a3172c; --bad-bg: #fdeaec; --accent: #2747b3; }
* { box-sizing: border-box; }
body { margin: 0; padding: 3rem 1rem; background: var(--desk); color: var(--ink);
       font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 47rem; margin: 0 auto; background: var(--paper); border: 1px solid var(--line);
       border-top: 6px solid var(--accent); border-radius: 6px;
       box-shadow: 0 12px 36px rgb(20 33 58 / 9%); overflow: hidden; }
header { padding: 2rem 2.5rem 1.5rem; display: flex; justify-content: space-between;
         align-items: flex-start; gap: 1.5rem; flex-wrap: wrap; }
.kicker { margin: 0 0 .35rem; font-size: .75rem; letter-spacing: .12em; text-transform: uppercase;
          color: var(--soft); }
h1 { margin: 0; font-size: 1.65rem; line-height: 1.2; font-weight: 650; }
.state { padding: .4rem .9rem; border-radius: 99px; font-weight: 600; font-size: .9rem;
         white-space: nowrap; }
.good { color: var(--good); background: var(--good-bg); }
.bad { color: var(--bad); background: var(--bad-bg); }
section { padding: 1.5rem 2.5rem; border-top: 1px solid var(--line); }
h2 { margin: 0 0 .9rem; font-size: .8rem; letter-spacing: .1em; text-transform: uppercase;
     color: var(--soft); font-weight: 600; }
dl { margin: 0; display: grid; grid-template-columns: 10rem 1fr; row-gap: .6rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; font-weight: 500; }
code { font: .74rem/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
       font-weight: 400; }
.bar { display: inline-block; vertical-align: middle; width: 8rem; height: .5rem; margin-left: .7rem;
       border-radius: 99px; background: var(--line); overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--accent); }
ol { margin: 0; padding-left: 1.2rem; }
a { color: var(--accent); }
footer { padding: 1.25rem 2.5rem 1.75rem; border-top: 1px solid var(--line); background: #f8f9fc;
         color: var(--soft); font-size: .86rem; }
footer p { margin: 0 0 .4rem; }
@media (max-width: 36rem) { dl { grid-template-columns: 1fr; row-gap: 0; } dd { margin-bottom: .7rem; }
  header, section, footer { padding-left: 1.25rem; padding-right: 1.25rem; } }
@media print { body { background: none; padding: 0; } main { border: 0; box-shadow: none; max-width: none; }
  section { break-inside: avoid; } .state, .bar i { print-color-adjust: exact; } }
</style>
</head>
<body>
<main>
)html";

constexpr std::string_view kFoot = R"html(<footer>
<p>The decision's input, output and context are not shown here; their SHA-256 stands for them.
Whoever holds them can compute it again and compare.</p>
<p>Issued by a development API. Its records prove the way a receipt is made, and nothing else.</p>
</footer>
</main>
</body>
</html>
)html";

// "2026-01-07 at 12:00:00.000 UTC", with the exact form for machines.
std::string readable_time(std::int64_t unix_ms) {
  const std::string time = iso_time(unix_ms);
  return "<time datetime=\"" + time + "\">" + time.substr(0, 10) + " at " + time.substr(11, 12) +
         " UTC</time>";
}

void row(std::string& out, std::string_view name, std::string_view html) {
  out += "<dt>";
  out += escape_html(name);
  out += "</dt><dd>";
  out += html;
  out += "</dd>\n";
}

std::string code(std::string_view text) { return "<code>" + escape_html(text) + "</code>"; }

std::string text_of(const JsValue& body, const char* name) {
  const JsValue* value = body.find(name);
  return value == nullptr || value->string() == nullptr ? "" : *value->string();
}

// "CREDIT policy · version 3", or either alone.
std::string with_version(const std::string& name, const std::string& version) {
  if (version.empty()) return escape_html(name);
  return escape_html(name) + (name.empty() ? "" : " · ") + "version " + escape_html(version);
}

void add_decision(std::string& out, const ReceiptView& view) {
  const JsValue& body = view.body;
  out += "<section><h2>Decision</h2><dl>\n";
  const std::string policy =
      with_version(text_of(body, "policyId"), text_of(body, "policyVersion"));
  row(out, "Policy", policy.empty() ? "not stated" : policy);
  const std::string type = text_of(body, "decisionType");
  row(out, "Kind of decision", type.empty() ? "not stated" : escape_html(type));
  const JsValue* confidence = body.find("confidence");
  if (confidence != nullptr && confidence->number() != nullptr) {
    const std::string percent = number_text(*confidence->number() * 100);
    row(out, "Confidence",
        escape_html(number_text(*confidence->number())) +
            "<span class=\"bar\" aria-hidden=\"true\"><i style=\"width:" + escape_html(percent) +
            "%\"></i></span>");
  }
  const JsValue* time = body.find("processingTime");
  if (time != nullptr && time->number() != nullptr) {
    row(out, "Time taken", escape_html(number_text(*time->number())) + " ms");
  }
  const std::string model = with_version(text_of(body, "modelId"), text_of(body, "modelVersion"));
  if (!model.empty()) row(out, "Model", model);
  if (const std::string hash = text_of(body, "modelHash"); !hash.empty()) {
    row(out, "Model's hash", code(hash));
  }
  if (const std::string hash = text_of(body, "featureSchemaHash"); !hash.empty()) {
    row(out, "Feature schema's hash", code(hash));
  }
  out += "</dl></section>\n";
}

void add_fingerprints(std::string& out, const StoredRecord& record) {
  out += "<section><h2>Fingerprints</h2><dl>\n";
  row(out, "Input", code(record.input_hash));
  row(out, "Output", code(record.output_hash));
  row(out, "Context", record.context_hash.empty() ? "none given" : code(record.context_hash));
  out += "</dl></section>\n";
}

void add_chain(std::string& out, const ReceiptView& view) {
  const StoredRecord& record = view.record;
  const bool is_first = record.previous_hash.empty();
  out += "<section><h2>Place in the chain</h2><dl>\n";
  row(out, "Position",
      is_first ? "genesis: the first record of its chain" : "chained to the record before it");
  row(out, "This record", code(record.record_hash));
  row(out, "Record before", is_first ? "none" : code(record.previous_hash));
  if (view.next_transaction_id.empty()) {
    row(out, "Record after", "none yet");
  } else {
    const std::string id = escape_html(view.next_transaction_id);
    row(out, "Record after", "<a href=\"" + id + "\"><code>" + id + "</code></a>");
  }
  out += "</dl></section>\n";
}

void add_interventions(std::string& out, const std::vector<StoredIntervention>& interventions) {
  if (interventions.empty()) return;
  out += "<section><h2>Reviews by people</h2><ol>\n";
  for (const StoredIntervention& item : interventions) {
    const Result<JsValue> body = parse_json(item.body);
    if (!body.ok()) continue;
    out += "<li><strong>" + escape_html(text_of(*body, "action")) + "</strong> by " +
           escape_html(text_of(*body, "actorName")) + ", " + readable_time(item.timestamp_unix_ms);
    if (const std::string reason = text_of(*body, "reason"); !reason.empty()) {
      out += "<br>" + escape_html(reason);
    }
    out += "</li>\n";
  }
  out += "</ol></section>\n";
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string receipt_page(const ReceiptView& view) {
  std::string out(kHead);
  out += "<header><div><p class=\"kicker\">Xase · receipt no. " + std::to_string(view.number) +
         "</p><h1>An automated decision was recorded</h1></div>";
  out += view.is_valid ? "<span class=\"state good\">Verified</span>"
                       : "<span class=\"state bad\">Does not verify</span>";
  out += "</header>\n<section><h2>Record</h2><dl>\n";
  row(out, "Transaction", code(view.record.transaction_id));
  row(out, "Recorded", readable_time(view.record.timestamp_unix_ms));
  out += "</dl></section>\n";
  add_decision(out, view);
  add_fingerprints(out, view.record);
  add_chain(out, view);
  add_interventions(out, view.interventions);
  out += kFoot;
  return out;
}

}  // namespace xased::devapi
