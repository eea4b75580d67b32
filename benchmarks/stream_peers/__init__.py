"""What `streams` is compared with, a file each; none imports its library before `Candidate.load`."""
