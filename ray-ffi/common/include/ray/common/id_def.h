// Copyright 2026 The authors of this project. Licensed under the Apache License, Version 2.0.
//
// The ids that are a UniqueID by another name. id.h includes it as often as it needs, with DEFINE_UNIQUE_ID defined to
// what is to be done with each.

#ifdef DEFINE_UNIQUE_ID
DEFINE_UNIQUE_ID(FunctionID)
DEFINE_UNIQUE_ID(ActorClassID)
DEFINE_UNIQUE_ID(WorkerID)
DEFINE_UNIQUE_ID(ConfigID)
DEFINE_UNIQUE_ID(NodeID)
DEFINE_UNIQUE_ID(ClusterID)
#endif
