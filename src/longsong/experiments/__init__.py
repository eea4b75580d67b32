"""What has to train in order to know: parity with golden numbers."""
