/* A program in C99 that uses the header as it is meant. */
#include <xase/xase.h>

int xase_abi_c99_record(const char* run_dir, xase_counts* counts);

int xase_abi_c99_record(const char* run_dir, xase_counts* counts) {
  xase_client_options options = XASE_CLIENT_OPTIONS_INIT;
  xase_record_fields record = XASE_RECORD_INIT;
  xase_receipt receipt = XASE_RECEIPT_INIT;
  xase_client* client = NULL;
  xase_error error;
  options.run_dir = run_dir;
  error = xase_client_open(&options, &client);
  if (error != XASE_OK) return error;
  record.policy = xase_str("p");
  record.input = xase_str("{}");
  record.output = xase_str("{}");
  error = xase_record(client, &record);
  if (error == XASE_OK) error = xase_record_sync(client, &record, XASE_COMMITTED, 0, &receipt);
  xase_receipt_free(&receipt);
  if (error == XASE_OK) error = xase_stats(client, counts);
  xase_client_close(client);
  xase_client_free(client);
  return error;
}
