"""What a layer costs under a mapping: cycles by resource, DRAM traffic; and which mappings fit."""
