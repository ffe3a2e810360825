/* Records one decision in the runtime directory that is its argument. Exits 0 when the library took
 * it and refused one that lacks a policy. */
#include <stdio.h>
#include <xase/xase.h>

static int check(int holds, const char* what) {
  if (!holds) fprintf(stderr, "record_c: %s: %s\n", what, xase_last_error_message());
  return holds;
}

int main(int argc, char** argv) {
  xase_client_options options = XASE_CLIENT_OPTIONS_INIT;
  xase_record_fields record = XASE_RECORD_INIT;
  xase_counts counts = XASE_COUNTS_INIT;
  xase_client* client = NULL;
  int holds = 0;

  if (argc != 2) {
    fprintf(stderr, "usage: record_c RUN_DIR\n");
    return 2;
  }
  options.run_dir = argv[1];
  if (!check(xase_client_open(&options, &client) == XASE_OK, "open")) return 1;

  record.input = xase_str("{\"amount\":1169}");
  record.output = xase_str("{\"decision\":\"APPROVED\"}");
  holds = check(xase_record(client, &record) == XASE_MISSING_POLICY, "a record without a policy");
  record.policy = xase_str("package_test_c");
  holds = check(xase_record(client, &record) == XASE_OK, "a record") && holds;
  holds = check(xase_stats(client, &counts) == XASE_OK, "stats") && holds;
  holds = check(counts.committed == 1, "one committed record") && holds;
  xase_client_free(client);
  return holds ? 0 : 1;
}
